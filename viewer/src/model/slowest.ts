import type { Fixtures } from "../protocol";
import { values } from "./columns";
import { isBad, type TestTable } from "./tests";

export interface SlowFile {
    file: string;
    tests: number;
    bad: number;
    total: number;
    longest: number;
    longestTest: number;
}

export interface SlowFixture {
    name: string;
    scope: string;
    place: string;
    setups: number;
    setup: number;
    longest: number;
    teardowns: number;
    teardown: number;
    longestTest: number;
}

/** Rows of the longest tests. */
export function slowestTests(table: TestTable, limit: number): Uint32Array {
    const { data } = table.duration;
    const found: number[] = [];
    for (let n = 0; n < table.count; n++) {
        let place = found.length;
        if (place === limit && data[n]! <= data[found[place - 1]!]!) continue;
        while (place > 0 && data[found[place - 1]!]! < data[n]!) place--;
        found.splice(place, 0, n);
        if (found.length > limit) found.pop();
    }
    return Uint32Array.from(found);
}

/** Files by the time that their tests took in all. */
export function slowestFiles(table: TestTable): SlowFile[] {
    const files = table.file.words.map((file): SlowFile => ({
        file,
        tests: 0,
        bad: 0,
        total: 0,
        longest: -1,
        longestTest: 0,
    }));
    for (let n = 0; n < table.count; n++) {
        const file = files[table.file.ids.at(n)]!;
        const duration = table.duration.at(n);
        file.tests++;
        file.total += duration;
        if (isBad(table.outcome.at(n))) file.bad++;
        if (duration > file.longest) [file.longest, file.longestTest] = [duration, n];
    }
    return files.filter((file) => file.tests > 0).sort((a, b) => b.total - a.total);
}

/** What pytest makes a fixture of itself to hand on a parameter of `parametrize`. */
const PARAMETER = /(^|[\\/])_pytest[\\/]python\.py:\d+$/;

/** Fixtures by the time that they took in all. */
export function slowestFixtures({ count, columns }: Fixtures): SlowFixture[] {
    const texts = (key: string) => values(columns[key], count, "" as string | number).map(String);
    const numbers = (key: string) => values(columns[key], count, 0 as string | number).map(Number);
    const [names, scopes, places] = ["name", "scope", "place"].map(texts) as [string[], string[], string[]];
    const [setups, setup, longest, teardowns, teardown, longestTest] = [
        "setups",
        "setup",
        "longest",
        "teardowns",
        "teardown",
        "longestTest",
    ].map(numbers) as number[][];
    return names
        .map((name, i) => ({
            name,
            scope: scopes[i]!,
            place: places[i]!,
            setups: setups![i]!,
            setup: setup![i]!,
            longest: longest![i]!,
            teardowns: teardowns![i]!,
            teardown: teardown![i]!,
            longestTest: longestTest![i]!,
        }))
        .filter(({ place }) => !PARAMETER.test(place))
        .sort((a, b) => b.setup + b.teardown - a.setup - a.teardown);
}
