import { TestTable } from "../../src/model/tests";
import type { Columns, Tests } from "../../src/protocol";

export interface Row {
    id: string;
    outcome?: string;
    duration?: number;
    start?: number;
    worker?: string;
    attempt?: number;
    flaky?: number;
    markers?: string;
    type?: string;
    message?: string;
    place?: string;
    phase?: string;
}

/** What the server would say of these rows, plainly encoded. */
export function message(rows: Row[], from = 0): Tests {
    const text = (pick: (row: Row) => string | undefined) => rows.map((row) => pick(row) ?? "");
    const columns: Columns = {
        file: text(({ id }) => id.split("::")[0]),
        name: text(({ id }) => id.split("::").slice(1).join("::")),
        outcome: text((row) => row.outcome ?? "passed"),
        worker: text((row) => row.worker),
        markers: text((row) => row.markers),
        type: text((row) => row.type),
        message: text((row) => row.message),
        place: text((row) => row.place),
        phase: text((row) => row.phase),
        start: rows.map((row, i) => row.start ?? i * 1000),
        duration: rows.map((row) => row.duration ?? 1000),
        attempt: rows.map((row) => row.attempt ?? 1),
        flaky: rows.map((row) => row.flaky ?? 0),
    };
    return { run: "r", from, count: rows.length, columns };
}

export function tableOf(rows: Row[]): TestTable {
    const table = new TestTable();
    table.append(message(rows));
    return table;
}
