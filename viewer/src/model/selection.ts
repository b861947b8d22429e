import { comparison, merged, sorted, sortOf } from "./order";
import { compile, type Matcher } from "./query";
import type { TestTable } from "./tests";

/** The rows that a query and an order leave, kept up while the table grows: only new rows are looked at. */
export class Selection {
    rows: Uint32Array = new Uint32Array(0);
    private seen = 0;
    private readonly matches: Matcher;

    constructor(
        readonly table: TestTable,
        readonly query: string,
        readonly sort: string,
    ) {
        this.matches = compile(query, table);
        this.update();
    }

    update(): Uint32Array {
        if (this.seen < this.table.count) {
            const fresh = this.matching(this.seen, this.table.count);
            this.seen = this.table.count;
            if (fresh.length > 0) this.rows = this.joined(fresh);
        }
        return this.rows;
    }

    private matching(from: number, to: number): Uint32Array {
        const found = new Uint32Array(to - from);
        let count = 0;
        for (let n = from; n < to; n++) if (this.matches(n)) found[count++] = n;
        return found.slice(0, count);
    }

    private joined(fresh: Uint32Array): Uint32Array {
        const sort = sortOf(this.sort);
        if (sort === undefined) return merged(this.rows, fresh, (a, b) => a - b);
        const ordered = sorted(fresh, this.table, sort);
        return this.rows.length === 0 ? ordered : merged(this.rows, ordered, comparison(this.table, sort));
    }
}
