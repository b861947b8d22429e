import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

const page = "../src/pytest_otlp/viewer/page";
const size = (...files: string[]) => files.reduce((sum, file) => sum + readFileSync(join(page, file)).length, 0);

test("the page stays small: 60 KiB of scripts as sent, 120 KiB in a report", () => {
    const scripts = readdirSync(join(page, "assets")).filter((name) => name.endsWith(".js"));
    expect(scripts.length).toBeGreaterThan(0);
    const sent = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(join(page, "assets", name))).length, 0);
    expect(sent).toBeLessThan(60 * 1024);
    expect(size("report.js", "report.css")).toBeLessThan(120 * 1024);
});

test("what goes into the report cannot end the element that it stands in", () => {
    expect(readFileSync(join(page, "report.js"), "utf8")).not.toMatch(/<\/script|<!--/i);
    expect(readFileSync(join(page, "report.css"), "utf8")).not.toMatch(/<\/style|url\((?!data:)/i);
});

test("the page needs nothing that the server's policy forbids, and nothing of others", () => {
    const html = readFileSync(join(page, "index.html"), "utf8");
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?:/i);
});
