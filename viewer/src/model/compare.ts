import { isBad, lastAttempts, type TestTable } from "./tests";

export const KINDS = ["broken", "fixed", "still", "slower", "faster", "added", "gone"] as const;
export type Kind = (typeof KINDS)[number];

/** One test in two runs: its rows, -1 where it is not. */
export interface Pair {
    nodeid: string;
    before: number;
    after: number;
}

export type Comparison = Record<Kind, Pair[]>;

/** A test counts as slower or faster from half as long again, and 20 ms: less is the machine's mood. */
const FACTOR = 1.5;
const LEAST = 20_000;

/** What changed from one run to another, by each test's last attempt. */
export function compare(before: TestTable, after: TestTable): Comparison {
    const result: Comparison = { broken: [], fixed: [], still: [], slower: [], faster: [], added: [], gone: [] };
    const old = lastAttempts(before);
    for (const [nodeid, row] of lastAttempts(after)) {
        const pair = { nodeid, before: old.get(nodeid) ?? -1, after: row };
        for (const kind of kinds(before, after, pair)) result[kind].push(pair);
        old.delete(nodeid);
    }
    for (const [nodeid, row] of old) result.gone.push({ nodeid, before: row, after: -1 });
    const change = (pair: Pair) => Math.abs(after.duration.at(pair.after) - before.duration.at(pair.before));
    for (const kind of ["slower", "faster"] as const) result[kind].sort((a, b) => change(b) - change(a));
    return result;
}

function kinds(before: TestTable, after: TestTable, pair: Pair): Kind[] {
    const bad = isBad(after.outcome.at(pair.after));
    if (pair.before < 0) return bad ? ["added", "broken"] : ["added"];
    const was = isBad(before.outcome.at(pair.before));
    if (bad) return [was ? "still" : "broken"];
    return was ? ["fixed"] : speed(before.duration.at(pair.before), after.duration.at(pair.after));
}

function speed(before: number, after: number): Kind[] {
    if (after - before > LEAST && after > before * FACTOR) return ["slower"];
    return before - after > LEAST && before > after * FACTOR ? ["faster"] : [];
}
