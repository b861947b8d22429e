import type { TestTable } from "./tests";

const LONGEST = 30_000;

/** A word as a POSIX shell takes it. */
export function quoted(word: string): string {
    return /^[\w./:@%+,=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * The command that runs these rows' tests again. A file whose tests are all among them is named as a whole, and so is
 * each file where the command would be longer than a shell takes (30,000 characters).
 */
export function rerun(table: TestTable, rows: ArrayLike<number>): string {
    const files = new Map<string, Set<string>>();
    for (let i = 0; i < rows.length; i++) {
        const file = table.file.toldAt(rows[i]!);
        files.set(file, (files.get(file) ?? new Set()).add(table.toldNodeid(rows[i]!)));
    }
    const whole = wholeFiles(table, files);
    const parts = [...files].flatMap(([file, ids]) => (whole.has(file) && ids.size > 1 ? [file] : [...ids]));
    const command = ["pytest", ...parts.map(quoted)].join(" ");
    return command.length <= LONGEST ? command : ["pytest", ...[...files.keys()].map(quoted)].join(" ");
}

function wholeFiles(table: TestTable, wanted: Map<string, Set<string>>): Set<string> {
    const partly = new Set<string>();
    for (let n = 0; n < table.count; n++) {
        const file = table.file.toldAt(n);
        if (!partly.has(file) && !wanted.get(file)?.has(table.toldNodeid(n))) partly.add(file);
    }
    return new Set([...wanted.keys()].filter((file) => !partly.has(file)));
}
