import { comparison, merged, sorted, sortOf } from "./order";
import { compile, type Filter } from "./query";
import type { TestTable } from "./tests";

/** All rows of a table in one order, kept up while it grows: only new rows are sorted. */
class Order {
    private rows: Uint32Array = new Uint32Array(0);

    constructor(
        readonly table: TestTable,
        readonly sort: string,
    ) {}

    update(): Uint32Array {
        const { table } = this;
        const seen = this.rows.length;
        if (table.count === seen) return this.rows;
        const fresh = new Uint32Array(table.count - seen);
        for (let i = 0; i < fresh.length; i++) fresh[i] = seen + i;
        const sort = sortOf(this.sort);
        const ordered = sort ? sorted(fresh, table, sort) : fresh;
        const compare = sort ? comparison(table, sort) : (a: number, b: number) => a - b;
        this.rows = seen === 0 ? ordered : merged(this.rows, ordered, compare);
        return this.rows;
    }
}

const orders = new WeakMap<TestTable, Map<string, Order>>();

/** Each order is made once for a table: to come back to one costs nothing. */
function orderOf(table: TestTable, sort: string): Order {
    const known = orders.get(table) ?? new Map<string, Order>();
    orders.set(table, known);
    const order = known.get(sort) ?? new Order(table, sort);
    known.set(sort, order);
    return order;
}

/** The rows that a query and an order leave, kept up while the table grows. */
export class Selection {
    private rows: Uint32Array = new Uint32Array(0);
    /** 1 for each row of the table that the query leaves. */
    private wanted: Uint8Array = new Uint8Array(0);
    private readonly filter: Filter;
    private readonly order: Order;

    constructor(
        readonly table: TestTable,
        readonly query: string,
        readonly sort: string,
    ) {
        this.filter = compile(query, table);
        this.order = orderOf(table, sort);
    }

    update(): Uint32Array {
        const { count } = this.table;
        const seen = this.wanted.length;
        if (count === seen) return this.rows;
        const wanted = new Uint8Array(count);
        wanted.set(this.wanted);
        wanted.set(this.filter(seen, count), seen);
        this.wanted = wanted;
        const all = this.order.update();
        this.rows = this.query === "" ? all : picked(all, wanted);
        return this.rows;
    }
}

function picked(rows: Uint32Array, wanted: Uint8Array): Uint32Array {
    const found = new Uint32Array(rows.length);
    let count = 0;
    for (let i = 0; i < rows.length; i++) if (wanted[rows[i]!] === 1) found[count++] = rows[i]!;
    return found.slice(0, count);
}
