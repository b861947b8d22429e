import { isBad, type TestTable } from "./tests";

/** Failures of one cause: the same exception raised at the same place. */
export interface Group {
    key: string;
    type: string;
    place: string;
    message: string;
    rows: number[];
}

/** The bad rows by exception and place, the largest group first. Without a place the message tells them apart. */
export function failureGroups(table: TestTable): Group[] {
    const groups = new Map<string, Group>();
    for (let n = 0; n < table.count; n++) {
        if (!isBad(table.outcome.at(n))) continue;
        const type = table.type.at(n) || table.outcome.at(n);
        const place = table.place.at(n);
        const message = table.message.at(n);
        const key = `${type}|${place || message}`;
        const group = groups.get(key);
        if (group) group.rows.push(n);
        else groups.set(key, { key, type, place, message, rows: [n] });
    }
    return [...groups.values()].sort((a, b) => b.rows.length - a.rows.length || a.rows[0]! - b.rows[0]!);
}
