import type { Column } from "../protocol";

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

    push(value: number): void {
        if (this.length === this.data.length) {
            const larger = new Float64Array(this.length * 2);
            larger.set(this.data);
            this.data = larger;
        }
        this.data[this.length++] = value;
    }

    append(column: Column | undefined, count: number): void {
        for (const value of values(column, count, 0)) this.push(Number(value) || 0);
    }

    at(n: number): number {
        return this.data[n] ?? 0;
    }
}

/** A growing list of texts of which many are equal: each is kept once. */
export class Words {
    readonly ids = new Numbers();
    readonly words: string[] = [];
    private readonly known = new Map<string, number>();

    id(word: string): number {
        let id = this.known.get(word);
        if (id === undefined) {
            id = this.words.length;
            this.known.set(word, id);
            this.words.push(word);
        }
        return id;
    }

    append(column: Column | undefined, count: number): void {
        if (column !== undefined && !Array.isArray(column) && "dict" in column) {
            const ids = column.dict.map((word) => this.id(String(word)));
            for (const i of column.values) this.ids.push(ids[i] ?? this.id(""));
        } else {
            for (const word of values(column, count, "")) this.ids.push(this.id(String(word)));
        }
    }

    at(n: number): string {
        return this.words[this.ids.data[n] ?? -1] ?? "";
    }
}
