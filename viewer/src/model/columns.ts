import type { Column } from "../protocol";
import { legible } from "./legible";

/** The column's values one by one, whatever its encoding; `missing` where an older writer did not know the column. */
export function values<T>(column: Column<T> | undefined, count: number, missing: T): T[] {
    if (column === undefined) return new Array<T>(count).fill(missing);
    if (Array.isArray(column)) return column;
    if ("same" in column) return new Array<T>(count).fill(column.same);
    if ("dict" in column) return column.values.map((i) => column.dict[i] ?? missing);
    let sum = 0;
    return column.delta.map((d) => (sum += d)) as T[];
}

/** A growing list of numbers. */
export class Numbers {
    data = new Float64Array(64);
    length = 0;

    /** Room for so many more, zeros at first; where they begin. */
    grow(count: number): number {
        const first = this.length;
        this.length += count;
        if (this.length > this.data.length) {
            const larger = new Float64Array(Math.max(this.length, this.data.length * 2));
            larger.set(this.data);
            this.data = larger;
        }
        return first;
    }

    append(column: Column | undefined, count: number): void {
        const first = this.grow(count);
        if (column === undefined) return;
        if (!Array.isArray(column) && "same" in column) {
            this.data.fill(Number(column.same) || 0, first, this.length);
            return;
        }
        // A file may be broken, and what is no number makes no number of all that is counted with it.
        const given = values(column, count, 0);
        for (let i = 0; i < count; i++) this.data[first + i] = Number(given[i]) || 0;
    }

    at(n: number): number {
        return this.data[n] ?? 0;
    }
}

/** A growing list of texts of which many are equal: each is kept once. */
export class Words {
    readonly ids = new Numbers();
    /** As they are shown. */
    readonly words: string[] = [];
    private readonly told: string[] = [];
    private readonly known = new Map<string, number>();
    private readonly smallWords: string[] = [];

    id(word: string): number {
        let id = this.known.get(word);
        if (id === undefined) {
            id = this.words.length;
            this.known.set(word, id);
            this.told.push(word);
            this.words.push(legible(word));
        }
        return id;
    }

    append(column: Column | undefined, count: number): void {
        const first = this.ids.grow(count);
        const { data } = this.ids;
        if (column === undefined || (!Array.isArray(column) && "same" in column)) {
            data.fill(this.id(String(column?.same ?? "")), first, this.ids.length);
        } else if (!Array.isArray(column) && "dict" in column) {
            const ids = column.dict.map((word) => this.id(String(word)));
            if (ids.every((id, i) => id === i)) data.set(column.values, first);
            else for (let i = 0; i < count; i++) data[first + i] = ids[column.values[i]!] ?? this.id("");
        } else {
            const given = values(column, count, "");
            for (let i = 0; i < count; i++) data[first + i] = this.id(String(given[i] ?? ""));
        }
    }

    at(n: number): string {
        return this.words[this.ids.data[n] ?? -1] ?? "";
    }

    /** The word as it came. */
    toldAt(n: number): string {
        return this.told[this.ids.data[n] ?? -1] ?? "";
    }

    /** The word of an id in small letters, made once: a filter asks for it at each keystroke. */
    small(id: number): string {
        return (this.smallWords[id] ??= (this.words[id] ?? "").toLowerCase());
    }
}
