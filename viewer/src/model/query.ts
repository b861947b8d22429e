import type { Numbers, Words } from "./columns";
import type { TestTable } from "./tests";

/** Of the rows from `first` up to `end`: 1 where one is wanted, else 0. */
export type Filter = (first: number, end: number) => Uint8Array;

/** Sets 1 for the rows from `first` on that one word of a query means. */
type Marker = (hits: Uint8Array, first: number) => void;

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
 * What a query like `cart outcome:failed,error -marker:slow duration:>1s` asks of rows.
 * Words are joined by "and", values behind a comma by "or". What cannot be understood yet (`duration:>`) asks nothing.
 */
export function compile(query: string, table: TestTable): Filter {
    const terms = words(query).flatMap((word) => {
        const { key, value, negative } = term(word);
        const mark = value === "" ? undefined : marker(key, value, table);
        return mark ? [{ mark, negative }] : [];
    });
    return (first, end) => {
        const count = Math.max(0, end - first);
        let wanted: Uint8Array | undefined;
        for (const { mark, negative } of terms) {
            const hits = new Uint8Array(count);
            mark(hits, first);
            if (negative) for (let i = 0; i < count; i++) hits[i]! ^= 1;
            if (wanted) for (let i = 0; i < count; i++) wanted[i]! &= hits[i]!;
            else wanted = hits;
        }
        return wanted ?? new Uint8Array(count).fill(1);
    };
}

/** A value that is still being typed: `>`, `5ms..`. */
const BEGUN = /^([<>=]+|[\d.]+[a-zµ]*\.\.)$/;

/**
 * The words of a query that mean nothing: `is:new`, `duration:long`. What only looks like a key (`dur:>1s`) is text, and told where
 * such text was not `found`.
 */
export function strangers(query: string, table: TestTable, found: boolean): string[] {
    return words(query).filter((word) => {
        const { key, value, negative } = term(word);
        if (key === "") return (negative || !found) && /^-?[a-z]+:[^:/\\]/i.test(word);
        return (
            value !== "" &&
            !BEGUN.test(value) &&
            !(key === "is" && "flaky".startsWith(value)) &&
            !marker(key, value, table)
        );
    });
}

function marker(key: string, value: string, table: TestTable): Marker | undefined {
    if (key === "") return text(value, table);
    if (key === "duration") return duration(value, table);
    if (key === "is") return value === "flaky" ? byNumber(table.flaky, (flaky) => flaky === 1) : undefined;
    const parts = value.split(",").filter((part) => part !== "");
    if (key === "name") return byName(table, parts);
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
function byWord(column: Words, asks: (word: string) => boolean): Marker {
    const known: boolean[] = [];
    let some = false;
    return (hits, first) => {
        for (let id = known.length; id < column.words.length; id++) some = (known[id] = asks(column.small(id))) || some;
        // Most texts are in no outcome, no message and no file: then no row has to be looked at.
        if (!some) return;
        const { data } = column.ids;
        for (let i = 0; i < hits.length; i++) if (known[data[first + i]!]) hits[i] = 1;
    };
}

function byNumber(column: Numbers, asks: (value: number) => boolean): Marker {
    return (hits, first) => {
        const { data } = column;
        for (let i = 0; i < hits.length; i++) if (asks(data[first + i]!)) hits[i] = 1;
    };
}

/** Rows with one of the texts in their name. */
function byName(table: TestTable, texts: string[]): Marker {
    return (hits, first) => {
        const found = (n: number) => {
            if (n >= first) hits[n - first] = 1;
        };
        for (const part of table.haystack(first, first + hits.length))
            for (const text of texts) part.search(text, found);
    };
}

/** Text is looked for in the node id, the message and the exception; an outcome's word means the outcome too. */
function text(value: string, table: TestTable): Marker {
    const within = (word: string) => word.includes(value);
    const places = [
        byWord(table.file, within),
        byWord(table.message, within),
        byWord(table.type, within),
        byWord(table.outcome, (word) => word === value),
        byName(table, [value]),
    ];
    const cut = value.indexOf("::");
    if (cut >= 0) places.push(nodeid(value.slice(0, cut), value.slice(cut + 2), table));
    return (hits, first) => {
        for (const mark of places) mark(hits, first);
    };
}

/** The end of a file and the beginning of a name in it. */
function nodeid(file: string, name: string, table: TestTable): Marker {
    const inFile = byWord(table.file, (word) => word.endsWith(file));
    return (hits, first) => {
        const files = new Uint8Array(hits.length);
        inFile(files, first);
        for (let i = 0; i < hits.length; i++)
            if (files[i] === 1 && table.name[first + i]!.toLowerCase().startsWith(name)) hits[i] = 1;
    };
}

/** `>1s`, `<=20ms`, `1s..2s`; a number without a unit is seconds. */
function duration(value: string, table: TestTable): Marker | undefined {
    const range = /^([\d.]+)([a-zµ]*)\.\.([\d.]+)([a-zµ]*)$/.exec(value);
    if (range) {
        const low = micros(range[1], range[2]);
        const high = micros(range[3], range[4]);
        return low === undefined || high === undefined
            ? undefined
            : byNumber(table.duration, (took) => took >= low && took <= high);
    }
    const bound = /^(>=|<=|>|<)?([\d.]+)([a-zµ]*)$/.exec(value);
    const limit = micros(bound?.[2], bound?.[3]);
    if (!bound || limit === undefined) return undefined;
    const { duration } = table;
    if (bound[1] === "<") return byNumber(duration, (took) => took < limit);
    if (bound[1] === "<=") return byNumber(duration, (took) => took <= limit);
    if (bound[1] === ">") return byNumber(duration, (took) => took > limit);
    return byNumber(duration, (took) => took >= limit);
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
