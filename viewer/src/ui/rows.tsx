// Rows of one height, of which only those in sight exist: 50,000 tests cost as much as 50.
import type { ComponentChildren, VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** Rows beyond the edges: what a turn of the wheel moves into sight before the next frame is made. */
const SPARE = 6;

export interface Window {
    first: number;
    last: number;
}

/**
 * Which of the rows are in sight, with some to spare, the cursor's among them when it moves (-1 for none).
 * Put `ref` and `onScroll` on what scrolls.
 */
export function useWindow(count: number, height: number, head: number, cursor: number) {
    const ref = useRef<HTMLDivElement>(null);
    const [place, setPlace] = useState({ top: 0, size: 600 });
    /** px: where it stands, known without asking the browser, which would have to lay everything out for the answer. */
    const scrolled = useRef(0);
    const last = useRef(-1);
    const read = () => {
        const element = ref.current;
        if (!element) return;
        scrolled.current = element.scrollTop;
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
    // The rows around the cursor are made at once, not when the browser says that it has scrolled there.
    const aim = cursor === last.current ? scrolled.current : revealing(cursor, scrolled.current, place.size);
    const moves = aim !== scrolled.current;
    last.current = cursor;
    scrolled.current = aim;
    useLayoutEffect(() => {
        if (moves) ref.current!.scrollTop = aim;
    });
    function revealing(index: number, from: number, size: number): number {
        const [top, bottom] = [index * height, (index + 1) * height + head];
        if (index < 0) return from;
        return top < from ? top : bottom > from + size ? bottom - size : from;
    }
    // Once more with the true size: where it is opened with a cursor, the size was not known yet.
    useEffect(() => {
        const element = ref.current!;
        const wanted = revealing(cursor, element.scrollTop, element.clientHeight);
        if (wanted !== element.scrollTop) element.scrollTop = wanted;
    }, [cursor]);
    const top = Math.floor(aim / height);
    const inSight = Math.ceil((place.size - head) / height);
    // As many as were ever needed: with another number, each row would go to another's elements.
    const slots = useRef(0);
    slots.current = Math.max(slots.current, inSight + 2 * SPARE);
    return {
        ref,
        onScroll: read,
        first: Math.max(0, Math.min(top, count - 1) - SPARE),
        last: Math.min(count, top + inSight + SPARE),
        /** The rows that are really in sight: one more than fits, as both edges may cut one. */
        sight: [top, top + inSight + 1] as const,
        slots: slots.current,
        page: Math.max(1, Math.floor(place.size / height) - 2),
    };
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
    /**
     * The row with an index; `slot` is its key: rows that come into sight take the elements of those that went.
     * As long as it is the same function, rows that were made are not made again.
     */
    row: (index: number, slot: number, props: RowProps) => VNode;
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
    onPointerDown?: () => void;
}

/** ms without a change until rows out of sight are made: they are not to hold up those that are looked at. */
const CALM = 40;

interface Made {
    index: number;
    chosen: boolean;
    by: Props["row"];
    node: VNode;
}

/**
 * The rows of a window, of which only those are made that are not as they were. Where all that is in sight is new, what
 * is out of sight stays as it was until nothing has changed for a while.
 */
function useRows(
    { first, last, sight, slots }: ReturnType<typeof useWindow>,
    by: Props["row"],
    cursor: number,
    made: (index: number) => RowProps,
): VNode[] {
    const held = useRef({ rows: [] as Made[], base: 0, first: 0, last: 0 }).current;
    const [, fill] = useState({});
    const slot = (index: number) => (((index - held.base) % slots) + slots) % slots;
    // Far from the last window the elements keep their order: to move one is as much as to make it.
    if (first >= held.last || last <= held.first) held.base = first - slot(held.first);
    [held.first, held.last] = [first, last];
    const stale = (index: number) => {
        const row = held.rows[slot(index)];
        return row?.index !== index || row.chosen !== (index === cursor) || row.by !== by;
    };
    const make = (index: number) => {
        const [key, chosen] = [slot(index), index === cursor];
        held.rows[key] = { index, chosen, by, node: by(index, key, made(index)) };
    };
    const all = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
    const seen = all.filter((index) => index >= sight[0] && index < sight[1]);
    const busy = seen.every(stale);
    for (const index of busy ? seen : all) if (stale(index)) make(index);
    const late = all.some(stale);
    useEffect(() => {
        const timer = late ? setTimeout(fill, CALM, {}) : 0;
        return () => clearTimeout(timer);
    });
    return all.flatMap((index) => {
        const row = held.rows[slot(index)];
        return row && (row.index === index || row.index < first || row.index >= last) ? row.node : [];
    });
}

/** A grid that the keyboard moves through; the focus stays on it, and `aria-activedescendant` tells the row. */
export function Rows(props: Props) {
    const { count, height, cursor, head } = props;
    const view = useWindow(count, height, head ? (props.headHeight ?? 0) : 0, cursor);
    const onKeyDown = (event: KeyboardEvent) => {
        if (event.ctrlKey || event.metaKey || event.altKey || event.target !== event.currentTarget) return;
        const to = moved(event.key, cursor, count, view.page);
        if (to !== undefined && count > 0) props.onCursor(to);
        else if (event.key === "Enter" && cursor >= 0) props.onOpen?.(cursor);
        else return props.onKey?.(event);
        event.preventDefault();
        event.stopPropagation();
    };
    const offset = head ? 2 : 1;
    const latest = useRef(props);
    latest.current = props;
    const rows = useRows(view, props.row, cursor, (index) => ({
        id: `${props.id}-${index}`,
        role: "row",
        "aria-rowindex": index + offset,
        "aria-selected": index === cursor,
        class: `row${index === cursor ? " cursor" : ""}${index % 2 ? " odd" : ""}`,
        style: { transform: `translateY(${index * height}px)`, height: `${height}px` },
        onClick: () => {
            latest.current.onCursor(index);
            latest.current.onOpen?.(index);
        },
    }));
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
                {rows}
                {props.beside?.({ first: view.first, last: view.last })}
            </div>
        </div>
    );
}
