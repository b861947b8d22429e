import type { Details, Summary, Tests } from "../protocol";
import type { Source } from "./source";

const SUMMARY = "pytest-otlp-summary";
const block = (number: number): string => `pytest-otlp-details-${number}`;

/** Base64; browsers of before 2025 do not know it themselves. */
function decoded(base64: string): Uint8Array<ArrayBuffer> {
    const known = Uint8Array as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> };
    if (known.fromBase64) return known.fromBase64(base64);
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
}

/** What an inert script element of the file holds: base64 of gzip of JSON. */
async function unpack<T>(element: Element): Promise<T> {
    const { readable, writable } = new DecompressionStream("gzip");
    const writer = writable.getWriter();
    const bytes = decoded((element.textContent ?? "").trim());
    // What is broken fails the reader too, which says so.
    for (const part of [writer.write(bytes), writer.close()]) part.catch(() => {});
    return new Response(readable).json() as Promise<T>;
}

function parsed(): Promise<void> {
    if (document.readyState !== "loading") return Promise.resolve();
    return new Promise((resolve) => document.addEventListener("DOMContentLoaded", () => resolve(), { once: true }));
}

async function details(number: number): Promise<Details> {
    // A block is whole only once the parser is past it.
    if (!document.getElementById(block(number))?.nextElementSibling) await parsed();
    const element = document.getElementById(block(number));
    if (!element) throw new Error("The file is cut off: the details of this test are not in it");
    return unpack<Details>(element);
}

/** The report file that this page is. */
export function reportSource(): Source {
    const summary = unpack<Summary>(document.getElementById(SUMMARY)!).catch(() => {
        throw new Error(
            "The report cannot be read: the file is damaged, or the browser is too old (Chrome 80, Firefox 113, Safari 16.4)",
        );
    });
    const kept = new Map<number, Promise<Details>>();
    const keep = (number: number): Promise<Details> => {
        const known = kept.get(number) ?? details(number);
        if (kept.size > 20) kept.clear();
        kept.set(number, known);
        return known;
    };
    const found = async <T>(value: (said: Summary) => T | undefined, what: string): Promise<T> => {
        const said = value(await summary);
        if (said === undefined) throw new Error(`This report has no such ${what}`);
        return said;
    };
    const trace = (id: string) => found((said) => said.traces.find((t) => t.trace.id === id), "trace");
    return {
        info: async () => (await summary).info,
        runs: async () => (await summary).runs,
        run: (id) => found((said) => said.runs.find((run) => run.id === id), "run"),
        tests: async (run, from) => (from === 0 ? found((said) => said.tests[run], "run") : nothing(run, from)),
        detail: async (run, n) => {
            const { size, first } = await found((said) => said.chunks[run], "run");
            return keep(first + Math.floor(n / size));
        },
        fixtures: (run) => found((said) => said.fixtures[run] ?? { count: 0, columns: {} }, "run"),
        traces: async () => (await summary).traces.map((said) => said.trace),
        trace,
        history: async () => [],
        unstable: async () => [],
        span: async () => ({}),
        spanOfTrace: async () => ({}),
        remove: async () => {
            throw new Error("A report cannot be changed");
        },
        follow: (listener) => listener.connected(true),
    };
}

const nothing = (run: string, from: number): Tests => ({ run, from, count: 0, columns: {} });
