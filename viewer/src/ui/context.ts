import { createContext } from "preact";
import { useContext, useEffect, useMemo, useState } from "preact/hooks";
import type { Store } from "../state";

export const StoreContext = createContext<Store | undefined>(undefined);

export function useStore(): Store {
    return useContext(StoreContext)!;
}

/** False for the first frame: what is out of sight can come after it. */
export function useLater(): boolean {
    const [later, set] = useState(false);
    useEffect(() => set(true), []);
    return later;
}

export interface Asked<T> {
    value: T | undefined;
    error: string;
}

/**
 * What a question to the source is answered with; asked again when one of `about` changes. The last answer stays until the
 * next is there; `early` is the first one where that has come already.
 */
export function useAsked<T>(ask: () => Promise<T>, about: unknown[], early?: T): Asked<T> {
    const [answer, set] = useState<Asked<T>>({ value: early, error: "" });
    // At once: an effect would ask only when what is known has been painted.
    const asked = useMemo(() => {
        const answer = ask();
        // It may fail before the effect below listens.
        answer.catch(() => {});
        return answer;
    }, about);
    useEffect(() => {
        let wanted = true;
        asked.then(
            (value) => wanted && set((before) => (before.value === value ? before : { value, error: "" })),
            (error: Error) => wanted && set({ value: undefined, error: error.message }),
        );
        return () => void (wanted = false);
    }, [asked]);
    return answer;
}
