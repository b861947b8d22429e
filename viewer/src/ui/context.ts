import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import type { Store } from "../state";

export const StoreContext = createContext<Store | undefined>(undefined);

export function useStore(): Store {
    return useContext(StoreContext)!;
}

export interface Asked<T> {
    value: T | undefined;
    error: string;
}

/** What a question to the source is answered with; asked again when one of `about` changes. The last answer stays until the next is there. */
export function useAsked<T>(ask: () => Promise<T>, about: unknown[]): Asked<T> {
    const [answer, set] = useState<Asked<T>>({ value: undefined, error: "" });
    useEffect(() => {
        let wanted = true;
        ask().then(
            (value) => wanted && set({ value, error: "" }),
            (error: Error) => wanted && set({ value: undefined, error: error.message }),
        );
        return () => void (wanted = false);
    }, about);
    return answer;
}
