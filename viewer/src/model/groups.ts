import type { Problem } from "./problems";
import { isBad, type TestTable } from "./tests";

/** Failures of one cause: the same exception raised at the same place. */
export interface Group<T = number> {
    key: string;
    type: string;
    place: string;
    message: string;
    rows: T[];
}

function grouped<T>(failures: Iterable<Omit<Group, "key" | "rows"> & { row: T }>): Group<T>[] {
    const groups = new Map<string, Group<T>>();
    for (const { type, place, message, row } of failures) {
        const key = `${type}|${place || message}`;
        const group = groups.get(key);
        if (group) group.rows.push(row);
        else groups.set(key, { key, type, place, message, rows: [row] });
    }
    // The sort is stable: of equal ones the first stays the first.
    return [...groups.values()].sort((a, b) => b.rows.length - a.rows.length);
}

/** The bad rows by exception and place, the largest group first. Without a place the message tells them apart. */
export function failureGroups(table: TestTable): Group[] {
    return grouped(bad(table));
}

function* bad(table: TestTable) {
    for (let row = 0; row < table.count; row++)
        if (isBad(table.outcome.at(row)))
            yield {
                type: table.type.at(row) || table.outcome.at(row),
                place: table.place.at(row),
                message: table.message.at(row),
                row,
            };
}

/** What failed without being a test, by exception and message. */
export function problemGroups(problems: Problem[]): Group<Problem>[] {
    return grouped(problems.map((row) => ({ type: row.type || "error", place: "", message: row.message, row })));
}
