import type { RunMore, SpanEvent } from "../protocol";
import { legible } from "./legible";

/** What failed without being a test: a file that could not be collected, or pytest itself. */
export interface Problem {
    name: string;
    type: string;
    message: string;
    stacktrace: string;
}

/** pytest's exit status after an error of its own, or of how it was called. */
const INTERNAL = 3;
const USAGE = 4;

const itself = ({ exitCode }: RunMore): boolean => exitCode === INTERNAL || exitCode === USAGE;

/** The failures of the run itself, as far as no test has them. */
export function problems(run: RunMore | undefined): Problem[] {
    if (!run) return [];
    const found = run.problems.map((problem) => raised(problem.name, problem.events ?? [], problem.message));
    return itself(run) ? [raised("pytest", run.events, run.error), ...found] : found;
}

function raised(name: string, events: SpanEvent[], message = ""): Problem {
    const exception = events.find((event) => event.name === "exception")?.attributes ?? {};
    const said = (key: string) => legible(String(exception[`exception.${key}`] ?? ""));
    return {
        name: legible(name),
        type: said("type"),
        message: said("message") || legible(message),
        stacktrace: said("stacktrace"),
    };
}

/** What the run tells besides. That pytest stops because of errors in the collection says no more than these do. */
export function otherEvents(run: RunMore): SpanEvent[] {
    const known = ({ name, attributes }: SpanEvent) =>
        name === "exception" &&
        (itself(run) || (run.problems.length > 0 && attributes["exception.type"] === "Interrupted"));
    return run.events.filter((event) => !known(event));
}
