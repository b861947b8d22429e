import type { Tests } from "../protocol";
import { Numbers, values, Words } from "./columns";

/** The outcomes in the order of their weight: what needs a look comes first. */
export const OUTCOMES = [
    "crashed",
    "error",
    "failed",
    "interrupted",
    "xpassed",
    "rerun",
    "xfailed",
    "skipped",
    "passed",
] as const;
const BAD = new Set(["crashed", "error", "failed", "interrupted"]);

export const isBad = (outcome: string): boolean => BAD.has(outcome);

/** Weight for sorting; unknown words of plugins stand between the bad and the good. */
export function weight(outcome: string): number {
    const place = (OUTCOMES as readonly string[]).indexOf(outcome);
    return place < 0 ? 4.5 : place;
}

/** All attempts of a run's tests, by column: append-only, so that nothing has to be copied while it grows. */
export class TestTable {
    count = 0;
    readonly file = new Words();
    readonly name: string[] = [];
    /** The names in small letters, made once: a filter asks for all of them at each keystroke. */
    readonly smallName: string[] = [];
    readonly outcome = new Words();
    readonly worker = new Words();
    readonly markers = new Words();
    readonly phase = new Words();
    readonly type = new Words();
    readonly message = new Words();
    readonly place = new Words();
    readonly start = new Numbers();
    readonly duration = new Numbers();
    readonly attempt = new Numbers();
    readonly flaky = new Numbers();
    readonly line = new Numbers();
    readonly setup = new Numbers();
    readonly call = new Numbers();
    readonly teardown = new Numbers();

    /** Take rows in. False where rows before them are missing: they have to be asked for first. */
    append(tests: Tests): boolean {
        if (tests.from > this.count) return false;
        const known = this.count - tests.from;
        if (known >= tests.count) return true;
        const { columns, count } = known === 0 ? tests : without(tests, known);
        for (const key of ["file", "outcome", "worker", "markers", "phase", "type", "message", "place"] as const)
            this[key].append(columns[key], count);
        for (const key of ["start", "duration", "flaky", "line", "setup", "call", "teardown"] as const)
            this[key].append(columns[key], count);
        this.attempt.append(columns.attempt ?? { same: 1 }, count);
        const names = values(columns.name, count, "");
        for (let i = 0; i < count; i++) {
            const name = String(names[i] ?? "");
            this.name.push(name);
            this.smallName.push(name.toLowerCase());
        }
        this.count += count;
        return true;
    }

    nodeid(n: number): string {
        const name = this.name[n] ?? "";
        return name === "" ? this.file.at(n) : `${this.file.at(n)}::${name}`;
    }

    /** Rows of the same test in order of attempt. */
    attempts(n: number): number[] {
        const { data } = this.file.ids;
        const [file, name] = [data[n], this.name[n]];
        const rows: number[] = [];
        for (let i = 0; i < this.count; i++) if (data[i] === file && this.name[i] === name) rows.push(i);
        return rows.sort((a, b) => this.attempt.at(a) - this.attempt.at(b));
    }
}

function without(tests: Tests, first: number): Tests {
    const columns: Tests["columns"] = {};
    for (const [key, column] of Object.entries(tests.columns))
        columns[key] = values(column, tests.count, "" as string | number).slice(first);
    return { ...tests, from: tests.from + first, count: tests.count - first, columns };
}

/** Node ids to the row of each test's last attempt. */
export function lastAttempts(table: TestTable): Map<string, number> {
    const last = new Map<string, number>();
    for (let n = 0; n < table.count; n++) {
        const nodeid = table.nodeid(n);
        const other = last.get(nodeid);
        if (other === undefined || table.attempt.at(other) <= table.attempt.at(n)) last.set(nodeid, n);
    }
    return last;
}
