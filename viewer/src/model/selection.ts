import { comparison, merged, sorted, sortOf } from "./order";
import { compile, type Matcher } from "./query";
import type { TestTable } from "./tests";

/** All rows of a table in one order, kept up while it grows: only new rows are sorted. */
class Order {
    rows: Uint32Array = new Uint32Array(0);

    constructor(
        readonly table: TestTable,
        readonly sort: string,
    ) {}

    /** Rows that are new since the last time, in order. */
    update(): Uint32Array {
        const seen = this.rows.length;
        const fresh = this.ordered(Uint32Array.from({ length: this.table.count - seen }, (_, i) => seen + i));
        if (fresh.length > 0) this.rows = this.joined(this.rows, fresh);
        return fresh;
    }

    joined(rows: Uint32Array, fresh: Uint32Array): Uint32Array {
        if (rows.length === 0) return fresh;
        const sort = sortOf(this.sort);
        return merged(rows, fresh, sort ? comparison(this.table, sort) : (a, b) => a - b);
    }

    private ordered(rows: Uint32Array): Uint32Array {
        const sort = sortOf(this.sort);
        return sort && rows.length > 0 ? sorted(rows, this.table, sort) : rows;
    }
}

/** The rows that a query and an order leave, kept up while the table grows. */
export class Selection {
    rows: Uint32Array;
    private readonly matches: Matcher;
    private readonly order: Order;

    /** `before`: what was shown until now; where its order is the same, nothing is sorted anew at a keystroke. */
    constructor(
        readonly table: TestTable,
        readonly query: string,
        readonly sort: string,
        before?: Selection,
    ) {
        this.matches = compile(query, table);
        this.order = before?.table === table && before.sort === sort ? before.order : new Order(table, sort);
        this.order.update();
        this.rows = this.matching(this.order.rows);
    }

    update(): Uint32Array {
        const fresh = this.matching(this.order.update());
        if (fresh.length > 0) this.rows = this.order.joined(this.rows, fresh);
        return this.rows;
    }

    private matching(rows: Uint32Array): Uint32Array {
        if (this.query === "") return rows;
        const found = new Uint32Array(rows.length);
        let count = 0;
        for (const n of rows) if (this.matches(n)) found[count++] = n;
        return found.slice(0, count);
    }
}
