import type { Words } from "./columns";
import type { TestTable } from "./tests";

export type Matcher = (n: number) => boolean;

interface Term {
    key: string;
    value: string;
    negative: boolean;
}

const KEYS = ["outcome", "file", "name", "marker", "worker", "duration", "type", "phase", "place", "is"] as const;
export type Key = (typeof KEYS)[number];
const KEYED = new RegExp(`^(${KEYS.join("|")}):(?!:)(.*)$`, "is");
const UNITS: Record<string, number> = { us: 1, µs: 1, ms: 1e3, s: 1e6, "": 1e6, m: 6e7, min: 6e7 };

/** The words of a query; a word in double quotes may hold spaces. */
export function words(query: string): string[] {
    return query.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];
}

function term(word: string): Term {
    const negative = word.startsWith("-");
    const text = negative ? word.slice(1) : word;
    const keyed = KEYED.exec(text);
    const value = (keyed?.[2] ?? text).replaceAll('"', "").toLowerCase();
    return { key: keyed?.[1]?.toLowerCase() ?? "", value, negative };
}

/**
 * What a query like `cart outcome:failed,error -marker:slow duration:>1s` asks of a row.
 * Words are joined by "and", values behind a comma by "or". What cannot be understood yet (`duration:>`) asks nothing.
 */
export function compile(query: string, table: TestTable): Matcher {
    const matchers = words(query)
        .map((word) => matcher(term(word), table))
        .filter((m) => m !== undefined);
    return (n) => {
        for (const matches of matchers) if (!matches(n)) return false;
        return true;
    };
}

function matcher({ key, value, negative }: Term, table: TestTable): Matcher | undefined {
    const found = value === "" ? undefined : positive(key, value, table);
    return found && negative ? (n) => !found(n) : found;
}

function positive(key: string, value: string, table: TestTable): Matcher | undefined {
    if (key === "") return text(value, table);
    if (key === "duration") return duration(value, table);
    if (key === "is") return value === "flaky" ? (n) => table.flaky.at(n) === 1 : undefined;
    const parts = value.split(",").filter((part) => part !== "");
    if (key === "name") return (n) => parts.some((part) => table.small(n).includes(part));
    if (key === "marker")
        return byWord(table.markers, (word) =>
            word.split(",").some((marker) => parts.some((part) => marker.startsWith(part))),
        );
    if (key === "worker") return byWord(table.worker, (word) => parts.includes(word));
    const within = (word: string) => parts.some((part) => word.includes(part));
    if (key === "outcome") return byWord(table.outcome, (word) => parts.some((part) => word.startsWith(part)));
    return byWord(table[key as "file" | "type" | "phase" | "place"], within);
}

/** Each different word is asked about once, however many rows have it. */
function byWord(column: Words, asks: (word: string) => boolean): Matcher {
    const known: (boolean | undefined)[] = [];
    const { ids } = column;
    return (n) => {
        const id = ids.at(n);
        return (known[id] ??= asks((column.words[id] ?? "").toLowerCase()));
    };
}

/** Text is looked for in the node id, the message and the exception; an outcome's word means the outcome too. */
function text(value: string, table: TestTable): Matcher {
    const cut = value.indexOf("::");
    const [left, right] = cut < 0 ? [undefined, ""] : [value.slice(0, cut), value.slice(cut + 2)];
    const inFile = byWord(table.file, (word) => word.includes(value));
    const endsFile = byWord(table.file, (word) => left !== undefined && word.endsWith(left));
    const inMessage = byWord(table.message, (word) => word.includes(value));
    const inType = byWord(table.type, (word) => word.includes(value));
    const isOutcome = byWord(table.outcome, (word) => word === value);
    return (n) => {
        const name = table.small(n);
        if (name.includes(value) || inFile(n) || inMessage(n) || inType(n) || isOutcome(n)) return true;
        return left !== undefined && name.startsWith(right) && endsFile(n);
    };
}

/** `>1s`, `<=20ms`, `1s..2s`; a number without a unit is seconds. */
function duration(value: string, table: TestTable): Matcher | undefined {
    const range = /^([\d.]+)([a-zµ]*)\.\.([\d.]+)([a-zµ]*)$/.exec(value);
    if (range) {
        const low = micros(range[1], range[2]);
        const high = micros(range[3], range[4]);
        return low === undefined || high === undefined
            ? undefined
            : (n) => table.duration.at(n) >= low && table.duration.at(n) <= high;
    }
    const bound = /^(>=|<=|>|<)?([\d.]+)([a-zµ]*)$/.exec(value);
    const limit = micros(bound?.[2], bound?.[3]);
    if (!bound || limit === undefined) return undefined;
    const { duration } = table;
    if (bound[1] === "<") return (n) => duration.at(n) < limit;
    if (bound[1] === "<=") return (n) => duration.at(n) <= limit;
    if (bound[1] === ">") return (n) => duration.at(n) > limit;
    return (n) => duration.at(n) >= limit;
}

function micros(number: string | undefined, unit: string | undefined): number | undefined {
    const factor = UNITS[unit ?? ""];
    const value = Number(number);
    return factor === undefined || Number.isNaN(value) ? undefined : value * factor;
}

/** The values that a query names for a key (`outcome` of `outcome:failed,error` are both). */
export function valuesOf(query: string, key: Key): string[] {
    return words(query)
        .map(term)
        .filter((t) => t.key === key && !t.negative)
        .flatMap((t) => t.value.split(","))
        .filter((v) => v !== "");
}

/** The query with other values for a key; without the key where there are none. */
export function withValues(query: string, key: Key, wanted: string[]): string {
    const others = words(query).filter((word) => {
        const t = term(word);
        return t.key !== key || t.negative;
    });
    if (wanted.length > 0) others.push(`${key}:${wanted.map((v) => (/\s/.test(v) ? `"${v}"` : v)).join(",")}`);
    return others.join(" ");
}

/** The query with a value for a key taken in, or out where it is there. */
export function toggled(query: string, key: Key, value: string): string {
    const known = valuesOf(query, key);
    return withValues(query, key, known.includes(value) ? known.filter((v) => v !== value) : [...known, value]);
}
