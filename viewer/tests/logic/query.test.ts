import { describe, expect, test } from "vitest";
import { compile, strangers, toggled, valuesOf, withValues } from "../../src/model/query";
import { TestTable } from "../../src/model/tests";
import { message, tableOf } from "./table";

const table = tableOf([
    { id: "tests/test_cart.py::test_total[eur]", worker: "gw1", duration: 2_000_000, markers: "slow,db" },
    {
        id: "tests/test_cart.py::TestTax::test_rate",
        outcome: "failed",
        type: "AssertionError",
        message: "assert 1 == 2",
        worker: "gw10",
        duration: 20_000,
    },
    {
        id: "tests/test_api.py::test_get two",
        outcome: "error",
        phase: "setup",
        type: "db.Error",
        place: "conftest.py:7",
        duration: 500_000,
    },
    { id: "tests/test_api.py::test_post", flaky: 1, duration: 900 },
]);
const found = (query: string) => {
    const wanted = compile(query, table)(0, 4);
    return [0, 1, 2, 3].filter((n) => wanted[n] === 1);
};

test("names are found in rows that came one after the other, and not across two of them", () => {
    const table = new TestTable();
    const names = Array.from({ length: 2500 }, (_, n) => `t.py::test_${n}${n % 2 ? "\nX" : ""}`);
    for (let from = 0; from < names.length; from += 700) {
        table.append(message(names.slice(from, from + 700).map((id) => ({ id })), from)); // prettier-ignore
        const wanted = compile("name:_99", table)(from, table.count);
        const all = names.map((id, n) => [id.includes("_99"), n] as const).filter(([found]) => found);
        expect([...wanted.keys()].filter((i) => wanted[i] === 1).map((i) => from + i)).toEqual(
            all.map(([, n]) => n).filter((n) => n >= from && n < table.count),
        );
    }
    const rows = (query: string) => [...compile(query, table)(0, 2500).entries()].flatMap(([n, is]) => (is ? [n] : []));
    expect(rows('name:"9\nx"')).toHaveLength(250);
    expect(rows('name:"2\ntest_3"')).toEqual([]);
});

describe("a query", () => {
    test.each([
        ["", [0, 1, 2, 3]],
        ["cart", [0, 1]],
        ["CART eur", [0]],
        ["cart.py::test_tot", [0]],
        ["tests/test_cart.py::TestTax::test_rate", [1]],
        ["cart.py::total", []],
        ["[eur]", [0]],
        ["1 == 2", [1]],
        ['"1 == 2"', [1]],
        ["failed", [1]],
        ["outcome:failed", [1]],
        ["outcome:failed,error", [1, 2]],
        ["-outcome:passed", [1, 2]],
        ["file:api", [2, 3]],
        ["name:rate", [1]],
        ["marker:slow", [0]],
        ["-marker:db", [1, 2, 3]],
        ["worker:gw1", [0]],
        ["worker:gw1,gw10", [0, 1]],
        ["type:assertion", [1]],
        ["phase:setup", [2]],
        ["place:conftest.py:7", [2]],
        ["is:flaky", [3]],
        ['name:"get two"', [2]],
        ["file:cart outcome:passed", [0]],
    ])("%s", (query, rows) => expect(found(query)).toEqual(rows));

    test.each([
        [">1s", [0]],
        [">=500ms", [0, 2]],
        ["<20ms", [3]],
        ["<=20ms", [1, 3]],
        ["1", [0]],
        ["10ms..600ms", [1, 2]],
        ["<1ms", [3]],
        [">0.01m", [0]],
    ])("duration:%s", (value, rows) => expect(found(`duration:${value}`)).toEqual(rows));

    test.each(["outcome:", "duration:>", "duration:>1x", "-", '"', "is:new", "-outcome:"])(
        "%s, half typed, hides nothing that it cannot mean",
        (query) => {
            expect(found(`cart ${query}`)).toEqual([0, 1]);
        },
    );

    test("looks at outcomes that come later too", () => {
        const growing = tableOf([{ id: "a.py::a" }]);
        const filter = compile("outcome:late", growing);
        expect([...filter(0, 1)]).toEqual([0]);
        growing.append({ run: "r", from: 1, count: 1, columns: { file: ["a.py"], name: ["b"], outcome: ["late"] } });
        expect([...filter(1, 2)]).toEqual([1]);
    });
});

test("words that mean nothing are told, not those that are being typed", () => {
    const told = (query: string, found = true) => strangers(query, table, found);
    expect(told("is:foo duration:abc -is:old cart is:flaky duration:>1s worker:gw1")).toEqual([
        "is:foo",
        "duration:abc",
        "-is:old",
    ]);
    expect(told("is: is:fla duration: duration:> duration:5ms.. duration:5ms..2s outcome:odd")).toEqual([]);
    expect(told("dur:>1s -dur:>1s a.py::b http://x C:\\x", false)).toEqual(["dur:>1s", "-dur:>1s"]);
    expect(told("KeyError:x"), "found as text").toEqual([]);
});

test("values are taken into a query and out of it", () => {
    expect(toggled("cart", "outcome", "failed")).toBe("cart outcome:failed");
    expect(toggled("cart outcome:failed", "outcome", "error")).toBe("cart outcome:failed,error");
    expect(toggled("outcome:failed cart", "outcome", "failed")).toBe("cart");
    expect(withValues("cart", "file", ["my tests/a.py"])).toBe('cart file:"my tests/a.py"');
    expect(valuesOf("-outcome:passed outcome:failed,error", "outcome")).toEqual(["failed", "error"]);
});

test("a filter knows the words of rows that come after it was made", () => {
    const growing = tableOf([{ id: "a.py::one" }]);
    const filter = compile("outcome:failed -name:two", growing);
    expect([...filter(0, 1)]).toEqual([0]);
    growing.append(
        message(
            [
                { id: "a.py::two", outcome: "failed" },
                { id: "b.py::three", outcome: "failed" },
            ],
            1,
        ),
    );
    expect([...filter(1, 3)]).toEqual([0, 1]);
    expect([...filter(0, 3)]).toEqual([0, 0, 1]);
});

test("names are made ready for a search part by part, and found in each", () => {
    const many = tableOf(Array.from({ length: 25_000 }, (_, n) => ({ id: `a.py::test_${n}_` })));
    expect([many.prepare(), many.prepare(), many.prepare(), many.prepare()]).toEqual([true, true, true, false]);
    expect(many.haystack(0, many.count).length).toBe(3);
    for (const n of [0, 9_999, 10_000, 24_999])
        expect(compile(`test_${n}_`, many)(0, many.count).indexOf(1), String(n)).toBe(n);
});
