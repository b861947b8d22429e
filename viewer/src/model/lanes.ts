import { type TestTable, weight } from "./tests";

/** A test that has begun, and of whose end nothing is known. */
export interface Unended {
    nodeid: string;
    worker: string;
    /** µs since the run's start. */
    start: number;
}

/** What one worker did, in order of time. */
export interface Lane {
    worker: string;
    rows: Uint32Array;
    /** They last until the end of the lane. */
    unended: Unended[];
    busy: number;
    /** From the lane's first start to its last end, relative to the run's start. */
    from: number;
    to: number;
    longestGap: number;
    longestGapAt: number;
}

/** The tests by worker; without xdist all are in one lane. */
export function lanes(table: TestTable): Lane[] {
    const found = new Map<number, number[]>();
    for (let n = 0; n < table.count; n++) {
        const worker = table.worker.ids.at(n);
        const rows = found.get(worker);
        if (rows) rows.push(n);
        else found.set(worker, [n]);
    }
    return [...found].map(([worker, rows]) => lane(table, table.worker.words[worker] ?? "", rows)).sort(byWorker);
}

const byWorker = (a: Lane, b: Lane): number => a.worker.localeCompare(b.worker, "en", { numeric: true });

/** The lanes with what has not ended, which takes its time until `until`: µs since the run's start. */
export function withUnended(lanes: Lane[], unended: Unended[], until: number): Lane[] {
    const found = new Map(lanes.map((lane) => [lane.worker, lane]));
    for (const test of unended) {
        const lane = found.get(test.worker) ?? { ...NONE, worker: test.worker, from: test.start };
        found.set(test.worker, { ...lane, unended: [...lane.unended, test] });
    }
    return [...found.values()].map((lane) => (lane.unended.length > 0 ? lasting(lane, until) : lane)).sort(byWorker);
}

const NONE = { rows: new Uint32Array(0), unended: [], busy: 0, to: -Infinity, longestGap: 0, longestGapAt: 0 };

function lasting(lane: Lane, until: number): Lane {
    const { from, to } = lane;
    const start = Math.min(...lane.unended.map((test) => test.start));
    const end = Math.max(to, start, until);
    const gap = to === -Infinity ? 0 : start - to;
    return {
        ...lane,
        from: Math.min(from, start),
        to: end,
        busy: lane.busy + end - Math.max(start, to),
        ...(gap > lane.longestGap && { longestGap: gap, longestGapAt: to }),
    };
}

function lane(table: TestTable, worker: string, numbers: number[]): Lane {
    const { data: start } = table.start;
    const { data: duration } = table.duration;
    const rows = Uint32Array.from(numbers).sort((a, b) => start[a]! - start[b]! || a - b);
    const result: Lane = { ...NONE, worker, rows, from: start[rows[0]!]! };
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

/** The row after another on its lane (before it: -1), and the first of all where there is none yet. */
export function besides(lanes: Lane[], n: number, by: number): number | undefined {
    const lane = lanes.find(({ rows }) => rows.includes(n));
    return lane ? lane.rows[lane.rows.indexOf(n) + by] : lanes.find(({ rows }) => rows.length > 0)?.rows[0];
}

/** The row of another lane, below or above (-1), that is next in time to one. */
export function across(table: TestTable, lanes: Lane[], n: number, by: number): number | undefined {
    const from = lanes.findIndex(({ rows }) => rows.includes(n));
    const time = table.start.at(n);
    if (from < 0) return besides(lanes, n, by);
    for (let i = from + by; lanes[i]; i += by)
        if (lanes[i]!.rows.length > 0) return rowAt(table, lanes[i]!, time, Infinity);
    return undefined;
}
