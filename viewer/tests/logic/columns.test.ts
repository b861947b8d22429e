import { expect, test } from "vitest";
import { Numbers, values, Words } from "../../src/model/columns";
import { lastAttempts, TestTable } from "../../src/model/tests";
import { message, tableOf } from "./table";

test.each([
    ["a plain list", [3, 5, 8]],
    ["a dictionary", { dict: [3, 8, 5], values: [0, 2, 1] }],
    ["differences", { delta: [3, 2, 3] }],
])("%s is the values it stands for", (_, column) => expect(values(column, 3, 0)).toEqual([3, 5, 8]));

test("one value for all", () => expect(values({ same: "x" }, 3, "")).toEqual(["x", "x", "x"]));
test("a column that an older writer did not know is as if nothing were said", () =>
    expect(values(undefined, 2, "")).toEqual(["", ""]));

test("what is no number counts as nothing, and the column is as long as it has to be", () => {
    const numbers = new Numbers();
    numbers.append([1, null, "x", undefined] as unknown as number[], 5);
    numbers.append({ delta: [1, NaN, 2] }, 3);
    expect([...numbers.data.subarray(0, numbers.length)]).toEqual([1, 0, 0, 0, 0, 1, 0, 0]);
});

test("dictionaries of several messages are one", () => {
    const words = new Words();
    words.append({ dict: ["a", "b"], values: [0, 1, 0] }, 3);
    words.append({ dict: ["b", "c"], values: [0, 1] }, 2);
    words.append({ same: "a" }, 1);
    expect([0, 1, 2, 3, 4, 5].map((n) => words.at(n))).toEqual(["a", "b", "a", "b", "c", "a"]);
    expect(words.words).toEqual(["a", "b", "c"]);
});

test("rows that are known already are not taken in twice", () => {
    const table = tableOf([{ id: "t.py::a" }, { id: "t.py::b" }]);
    expect(table.append(message([{ id: "t.py::b" }, { id: "t.py::c" }], 1))).toBe(true);
    expect(table.append(message([{ id: "t.py::a" }], 0))).toBe(true);
    expect([0, 1, 2].map((n) => table.nodeid(n))).toEqual(["t.py::a", "t.py::b", "t.py::c"]);
    expect(table.count).toBe(3);
});

test("rows after a gap are refused", () => {
    const table = new TestTable();
    expect(table.append(message([{ id: "t.py::c" }], 2))).toBe(false);
    expect(table.count).toBe(0);
});

test("attempts of a test are found in order, and the last of them is the test's result", () => {
    const table = tableOf([
        { id: "t.py::a", attempt: 2 },
        { id: "t.py::b" },
        { id: "t.py::a", attempt: 1 },
        { id: "u.py::a" },
    ]);
    expect(table.attempts(2)).toEqual([2, 0]);
    expect(lastAttempts(table)).toEqual(
        new Map([
            ["t.py::a", 0],
            ["t.py::b", 1],
            ["u.py::a", 3],
        ]),
    );
});

test("a node id without a name is its file", () => expect(tableOf([{ id: "README.md" }]).nodeid(0)).toBe("README.md"));
