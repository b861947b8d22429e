/** A length of time in µs for people: three digits, or minutes and hours. */
export function duration(micros: number): string {
    if (micros < 0) return `-${duration(-micros)}`;
    if (micros < 1) return "0";
    if (micros < 999.5) return `${Math.round(micros)} µs`;
    if (micros < 999_500) return `${digits(micros / 1e3)} ms`;
    if (micros < 59_950_000) return `${digits(micros / 1e6)} s`;
    const seconds = Math.round(micros / 1e6);
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.floor(seconds / 60) % 60;
    return hours > 0 ? `${hours} h ${two(minutes)} min` : `${minutes} min ${two(seconds % 60)} s`;
}

const digits = (value: number): string =>
    value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0);
const two = (value: number): string => String(value).padStart(2, "0");

/** A mark of a time axis: as a duration, without zeros that say nothing. */
export const tick = (micros: number): string =>
    duration(micros).replace(/\.(\d*?)0+(?= )/, (_, kept: string) => kept && `.${kept}`);

/** A count for people: 12,345. */
export const count = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ",");

/** "1 test", "3 tests". */
export const plural = (value: number, word: string): string => `${count(value)} ${word}${value === 1 ? "" : "s"}`;

/** How long ago a moment (epoch µs) was. */
export function ago(moment: number, now: number): string {
    const seconds = Math.max(0, (now - moment) / 1e6);
    if (seconds < 10) return "just now";
    if (seconds < 60) return `${Math.floor(seconds)} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
    return `${plural(Math.floor(seconds / 86_400), "day")} ago`;
}

/** A moment (epoch µs) by the reader's clock, as in `2026-11-22 09:05:00`. Not by Intl: a browser takes 50 ms to begin with it. */
export function moment(micros: number): string {
    const at = new Date(micros / 1e3);
    const date = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
    return `${date} ${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":")}`;
}

/** A change of a length of time: `+1.2 s (×3.1)`. */
export function change(before: number, after: number): string {
    const sign = after >= before ? "+" : "−";
    return `${sign}${duration(Math.abs(after - before))}${before > 0 ? ` (×${digits(after / before)})` : ""}`;
}

/** Steps of a time axis: about `wanted` of them over the length, at round numbers of µs. */
export function ticks(from: number, to: number, wanted: number): number[] {
    const raw = Math.max((to - from) / Math.max(1, wanted), 1);
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= raw) ?? 10 * power;
    const marks: number[] = [];
    for (let t = Math.ceil(from / step) * step; t <= to && marks.length < 200; t += step) marks.push(t);
    return marks;
}
