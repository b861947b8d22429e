import type { Tests } from "../protocol";
import { Numbers, values, Words } from "./columns";
import { legible } from "./legible";

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

/** Rows whose names are made ready in one go: a few ms. */
const PART = 10_000;

/** Names of many rows as one text: a search goes through it ten times as fast as through them one by one. */
export class Haystack {
    readonly text: string;
    /** Where the name of each row ends in the text. */
    readonly ends: Uint32Array;

    constructor(
        names: string[],
        readonly first: number,
        readonly end: number,
    ) {
        const parts = new Array<string>(end - first);
        this.ends = new Uint32Array(end - first);
        let length = 0;
        for (let i = 0; i < parts.length; i++) {
            const name = names[first + i]!.toLowerCase();
            parts[i] = name;
            length += name.length;
            this.ends[i] = length++;
        }
        this.text = parts.join("\n");
    }

    /** Tells the rows whose name has the text in it. */
    search(text: string, found: (n: number) => void): void {
        const { ends } = this;
        let row = 0;
        for (let at = this.text.indexOf(text); at >= 0;) {
            while (ends[row]! < at) row++;
            const within = at + text.length <= ends[row]!;
            if (within) found(this.first + row);
            at = this.text.indexOf(text, within ? ends[row]! + 1 : at + 1);
        }
    }
}

/** All attempts of a run's tests, by column: append-only, so that nothing has to be copied while it grows. */
export class TestTable {
    count = 0;
    readonly file = new Words();
    /** As they are shown. */
    readonly name: string[] = [];
    /** The names that are not shown as they came. */
    private readonly told = new Map<number, string>();
    private readonly haystacks: Haystack[] = [];
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
            const told = String(names[i] ?? "");
            const name = legible(told);
            if (name !== told) this.told.set(this.name.length, told);
            this.name.push(name);
        }
        this.count += count;
        return true;
    }

    /** Makes the next part of what a search goes through, so that the first keystroke finds it made. False where all is. */
    prepare(): boolean {
        const known = this.haystacks.at(-1)?.end ?? 0;
        if (known < this.count) this.haystack(known, Math.min(this.count, known + PART));
        return known < this.count;
    }

    /** The names of the rows from `first` up to `end` in small letters, as texts to be searched; those of rows before may be among them. */
    haystack(first: number, end: number): Haystack[] {
        const known = this.haystacks.at(-1)?.end ?? 0;
        if (known < end) this.haystacks.push(new Haystack(this.name, known, end));
        return this.haystacks.filter((part) => part.end > first);
    }

    /** As it is shown. */
    nodeid(n: number): string {
        return joined(this.file.at(n), this.name[n]);
    }

    /** As pytest knows it. */
    toldNodeid(n: number): string {
        return joined(this.file.toldAt(n), this.told.get(n) ?? this.name[n]);
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

const joined = (file: string, name = ""): string => (name === "" ? file : `${file}::${name}`);

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
