import { type TestTable, weight } from "./tests";

/** What one worker did, in order of time. */
export interface Lane {
    worker: string;
    rows: Uint32Array;
    busy: number;
    /** From the lane's first start to its last end, relative to the run's start. */
    from: number;
    to: number;
    longestGap: number;
    longestGapAt: number;
}

/** The tests by worker; without xdist all are in one lane. */
export function lanes(table: TestTable): Lane[] {
    const byWorker = new Map<number, number[]>();
    for (let n = 0; n < table.count; n++) {
        const worker = table.worker.ids.at(n);
        const rows = byWorker.get(worker);
        if (rows) rows.push(n);
        else byWorker.set(worker, [n]);
    }
    return [...byWorker]
        .map(([worker, rows]) => lane(table, table.worker.words[worker] ?? "", rows))
        .sort((a, b) => a.worker.localeCompare(b.worker, "en", { numeric: true }));
}

function lane(table: TestTable, worker: string, numbers: number[]): Lane {
    const { data: start } = table.start;
    const { data: duration } = table.duration;
    const rows = Uint32Array.from(numbers).sort((a, b) => start[a]! - start[b]! || a - b);
    const result: Lane = {
        worker,
        rows,
        busy: 0,
        from: start[rows[0]!]!,
        to: -Infinity,
        longestGap: 0,
        longestGapAt: 0,
    };
    for (const n of rows) {
        const gap = result.to === -Infinity ? 0 : start[n]! - result.to;
        if (gap > result.longestGap) [result.longestGap, result.longestGapAt] = [gap, result.to];
        const end = start[n]! + duration[n]!;
        result.busy += end > result.to ? end - Math.max(start[n]!, result.to) : 0;
        result.to = Math.max(result.to, end);
    }
    return result;
}

/** Bars of a lane in pixels: what falls on the same pixel is one bar, with the outcome that weighs most. */
export interface Bar {
    x: number;
    width: number;
    row: number;
}

export function bars(table: TestTable, { rows }: Lane, from: number, to: number, width: number): Bar[] {
    const scale = width / (to - from);
    const result: Bar[] = [];
    for (const n of rows) {
        const start = table.start.at(n);
        const end = start + table.duration.at(n);
        if (end < from) continue;
        if (start > to) break;
        const x = Math.max(0, (start - from) * scale);
        const right = Math.min(width, (end - from) * scale);
        const last = result.at(-1);
        if (last && right - last.x < 1.5) last.row = heavier(table, last.row, n);
        else result.push({ x, width: Math.max(1, right - x), row: n });
    }
    return result;
}

function heavier(table: TestTable, a: number, b: number): number {
    return weight(table.outcome.at(b)) < weight(table.outcome.at(a)) ? b : a;
}

/** The row at a moment, or the nearest within a distance (µs); undefined where there is none. */
export function rowAt(table: TestTable, { rows }: Lane, time: number, near: number): number | undefined {
    let [low, high] = [0, rows.length];
    while (low < high) {
        const middle = (low + high) >> 1;
        if (table.start.at(rows[middle]!) <= time) low = middle + 1;
        else high = middle;
    }
    const candidates = [rows[low - 1], rows[low]].filter((n) => n !== undefined);
    const distance = (n: number) =>
        Math.max(table.start.at(n) - time, time - table.start.at(n) - table.duration.at(n), 0);
    return candidates.filter((n) => distance(n) <= near).sort((a, b) => distance(a) - distance(b))[0];
}
