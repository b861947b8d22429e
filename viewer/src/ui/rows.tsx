// Rows of one height, of which only those in sight exist: 50,000 tests cost as much as 50.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const SPARE = 12;

export interface Window {
    first: number;
    last: number;
}

/** Which of the rows are in sight, with some to spare. Put `ref` and `onScroll` on what scrolls. */
export function useWindow(count: number, height: number, head = 0) {
    const ref = useRef<HTMLDivElement>(null);
    const [place, setPlace] = useState({ top: 0, size: 600 });
    const read = () => {
        const element = ref.current;
        if (!element) return;
        const top = Math.floor(element.scrollTop / height);
        const size = element.clientHeight;
        setPlace((before) => (before.top === top && before.size === size ? before : { top, size }));
    };
    useLayoutEffect(() => {
        read();
        const observer = new ResizeObserver(read);
        observer.observe(ref.current!);
        return () => observer.disconnect();
    }, [height]);
    const first = Math.max(0, Math.min(place.top, count - 1) - SPARE);
    const last = Math.min(count, place.top + Math.ceil(place.size / height) + SPARE);
    const reveal = (index: number) => {
        const element = ref.current;
        if (!element || index < 0) return;
        const [top, bottom] = [index * height, (index + 1) * height + head];
        if (top < element.scrollTop) element.scrollTop = top;
        else if (bottom > element.scrollTop + element.clientHeight) element.scrollTop = bottom - element.clientHeight;
    };
    return { ref, onScroll: read, first, last, reveal, page: Math.max(1, Math.floor(place.size / height) - 2) };
}

/** Where the keys lead from a row; undefined for other keys. */
export function moved(key: string, from: number, count: number, page: number): number | undefined {
    const steps: Record<string, number> = {
        ArrowDown: from + 1,
        j: from + 1,
        ArrowUp: from - 1,
        k: from - 1,
        PageDown: from + page,
        PageUp: from - page,
        Home: 0,
        End: count - 1,
    };
    const to = steps[key];
    return to === undefined ? undefined : Math.max(0, Math.min(count - 1, to));
}

interface Props {
    id: string;
    label: string;
    role?: "grid" | "treegrid";
    count: number;
    height: number;
    /** The cursor's row, -1 for none. */
    cursor: number;
    /** Height of the header in px, as the style has it. */
    headHeight?: number;
    head?: ComponentChildren;
    row: (index: number, props: RowProps) => ComponentChildren;
    /** What lies over or under the rows, for the same part of them: a canvas. */
    beside?: (window: Window) => ComponentChildren;
    onCursor: (index: number) => void;
    onOpen?: (index: number) => void;
    onKey?: (event: KeyboardEvent) => void;
    class?: string;
}

export interface RowProps {
    id: string;
    role: "row";
    "aria-rowindex": number;
    "aria-selected": boolean;
    class: string;
    style: { transform: string; height: string };
    onClick: () => void;
}

/** A grid that the keyboard moves through; the focus stays on it, and `aria-activedescendant` tells the row. */
export function Rows(props: Props) {
    const { count, height, cursor, head } = props;
    const view = useWindow(count, height, head ? (props.headHeight ?? 0) : 0);
    useEffect(() => view.reveal(cursor), [cursor]);
    const onKeyDown = (event: KeyboardEvent) => {
        if (event.ctrlKey || event.metaKey || event.altKey || event.target !== event.currentTarget) return;
        const to = moved(event.key, cursor, count, view.page);
        if (to !== undefined && count > 0) props.onCursor(to);
        else if (event.key === "Enter" && cursor >= 0) props.onOpen?.(cursor);
        else return props.onKey?.(event);
        event.preventDefault();
        event.stopPropagation();
    };
    const shown = Array.from({ length: Math.max(0, view.last - view.first) }, (_, i) => view.first + i);
    const offset = head ? 2 : 1;
    const active = cursor >= view.first && cursor < view.last ? `${props.id}-${cursor}` : undefined;
    return (
        <div
            ref={view.ref}
            class={`rows ${props.class ?? ""}`}
            role={props.role ?? "grid"}
            aria-label={props.label}
            aria-rowcount={count + offset - 1}
            aria-activedescendant={active}
            tabIndex={0}
            onScroll={view.onScroll}
            onKeyDown={onKeyDown}
        >
            {head && (
                <div class="rows-head" role="rowgroup">
                    {head}
                </div>
            )}
            <div class="rows-body" role="rowgroup" style={{ height: `${count * height}px` }}>
                {shown.map((index) =>
                    props.row(index, {
                        id: `${props.id}-${index}`,
                        role: "row",
                        "aria-rowindex": index + offset,
                        "aria-selected": index === cursor,
                        class: `row${index === cursor ? " cursor" : ""}${index % 2 ? " odd" : ""}`,
                        style: { transform: `translateY(${index * height}px)`, height: `${height}px` },
                        onClick: () => {
                            props.onCursor(index);
                            props.onOpen?.(index);
                        },
                    }),
                )}
                {props.beside?.({ first: view.first, last: view.last })}
            </div>
        </div>
    );
}
