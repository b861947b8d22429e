// The real thing: `pytest-otlp view` in a process, runs of pytest that send to it, and a browser that looks at it.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { noBrowser } from "../../browser/launch.mjs";

export { launch } from "../../browser/launch.mjs";

export const python = process.env.PYTEST_OTLP_PYTHON ?? resolve("../.venv/bin/python");

const COMMAND = ["-c", "import sys; from pytest_otlp.cli import main; sys.exit(main())"];

/** Why these tests cannot run here; "" where they can. */
export const missing = noBrowser || (served() ? "" : "the extra `view` is not installed here");

function served(): boolean {
    try {
        execFileSync(python, ["-c", "import starlette, uvicorn, pytest_otlp.viewer.command"], { stdio: "ignore" });
        return true;
    } catch {
        return false;
    }
}

/** ms: a bound for what hangs. */
export const PATIENCE = 30_000;

export const folder = (): string => mkdtempSync(join(tmpdir(), "pytest-otlp-page-"));
export const remove = (path: string): void => rmSync(path, { recursive: true, force: true });

/** The environment without what would tell pytest or the plugin where they run. */
function scrubbed(more: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
    const kept = Object.entries(process.env).filter(
        ([name]) => !/^(CI$|GITHUB_|OTEL_|PYTEST_(?!OTLP)|TRACEPARENT|VITEST)/.test(name),
    );
    return { ...Object.fromEntries(kept), ...more };
}

export class View {
    page = "";
    endpoint = "";
    private process: ChildProcess | undefined;
    private ports = [0, 0, 0];

    private readonly options: string[];

    constructor(
        readonly state: string,
        ...options: string[]
    ) {
        this.options = options;
    }

    async start(): Promise<this> {
        const [http, grpc, page] = this.ports;
        const args = [`--http-port=${http}`, `--grpc-port=${grpc}`, `--page-port=${page}`, ...this.options];
        this.process = spawn(python, [...COMMAND, "view", ...args], {
            env: scrubbed({ XDG_STATE_HOME: this.state, LOCALAPPDATA: this.state }),
            stdio: ["ignore", "pipe", "inherit"],
        });
        const said: string[] = [];
        for await (const line of createInterface({ input: this.process.stdout! })) {
            said.push(line);
            if (line.startsWith("send a run:")) break;
        }
        const text = said.join("\n");
        this.page = /page: (\S+)/.exec(text)?.[1] ?? "";
        this.endpoint = /OTLP\/HTTP (http:[^\s,;]+)/.exec(text)?.[1] ?? "";
        const port = (found: RegExpExecArray | null) => Number(found?.[1] ?? 0);
        this.ports = [
            port(/HTTP http:\S+?:(\d+)/.exec(text)),
            port(/gRPC http:\S+?:(\d+)/.exec(text)),
            port(/page: http:\/\/[^:]+:(\d+)/.exec(text)),
        ];
        return this;
    }

    get database(): string {
        return join(this.state, "pytest-otlp", "runs.db");
    }

    async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
        const { process } = this;
        if (!process || process.exitCode !== null || process.signalCode !== null) return;
        await new Promise((done) => {
            process.once("exit", done);
            process.kill(signal);
        });
    }
}

const SUITE = `
import logging, os, time, warnings
from pathlib import Path
import pytest

HERE = Path(__file__).parent

def until(name):
    deadline = time.monotonic() + 60
    while not (HERE / name).exists():
        assert time.monotonic() < deadline, name
        time.sleep(0.02)

@pytest.fixture(scope="module")
def database():
    time.sleep(0.01)
    yield
    time.sleep(0.002)

@pytest.mark.parametrize("n", range(40))
def test_many(n): pass

def test_breaks(database, record_property):
    record_property("ticket", "SHOP-12")
    print("what was printed")
    logging.getLogger("shop").warning("what was logged")
    assert {"net": 10, "tax": 2} == {"net": 10, "tax": 3}

@pytest.mark.slow
@pytest.mark.skipif("GATE" in os.environ and not (HERE / "gate").exists(), reason="no gate")
def test_waits():
    """Waits until the one who looks has seen enough."""
    (HERE / "waiting").write_text("")
    if (HERE / "gate").exists(): until("go")

@pytest.fixture
def refused(): raise ConnectionError("db:5432 refused")

@pytest.mark.parametrize("n", range(3))
def test_needs(refused, n): pass

@pytest.mark.parametrize("evil", ["<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "\\u202egnp.exe", "&lt;b&gt;"])
def test_hostile(evil): assert evil != evil, f"<b>{evil}</b>"

@pytest.mark.skip(reason="not <i>here</i>")
def test_skipped(): pass

@pytest.mark.parametrize("n", range(2))
def test_warns(n): warnings.warn("<img src=x onerror=alert(3)>")

def test_changes(): assert not (HERE / "second").exists()

def test_flaky():
    mark = HERE / "tried"
    if not mark.exists():
        mark.write_text("")
        raise RuntimeError("the first time")
    mark.unlink()
`;

/** A folder with tests in it; `file` makes one that they look for. */
export class Project {
    readonly path = folder();

    constructor(files: Record<string, string> = { "test_shop.py": SUITE }) {
        for (const [name, text] of Object.entries(files)) this.file(name, text);
        this.file("pytest.ini", "[pytest]\nmarkers = slow: takes long\n");
    }

    file(name: string, text = ""): void {
        writeFileSync(join(this.path, name), text);
    }

    has(name: string): boolean {
        return existsSync(join(this.path, name));
    }

    /** Run pytest on it; what it printed. */
    async run(view: View, ...args: string[]): Promise<string> {
        const child = this.start(view, ...args);
        let said = "";
        for await (const part of child.stdout!) said += part;
        return said;
    }

    /** Start pytest on it. */
    start(view: View, ...args: string[]): ChildProcess {
        const plugins = ["-p", "otlp", "-p", "rerunfailures", "-p", "no:cacheprovider"];
        const own = ["--otel", `--otel-endpoint=${view.endpoint}`, "--otel-logs=on", "--otel-service-name=shop"];
        return spawn(
            python,
            ["-m", "pytest", ...plugins, ...own, "--reruns=1", "--only-rerun=the first time", ...args],
            {
                cwd: this.path,
                env: scrubbed({ PYTEST_DISABLE_PLUGIN_AUTOLOAD: "1" }),
                stdio: ["ignore", "pipe", "inherit"],
            },
        );
    }
}

/** The counts of pytest's last line. */
export function counts(said: string): Record<string, number> {
    const last =
        said
            .split("\n")
            .filter((line) => / in [\d.]+s/.test(line))
            .at(-1) ?? "";
    return Object.fromEntries(
        [...last.matchAll(/(\d+) (passed|failed|skipped|errors?|rerun)/g)].map(([, n, word]) => [
            word!.replace(/^errors$/, "error"),
            Number(n),
        ]),
    );
}

/** The ids of the runs of a service that the receiver has, the newest first. */
export async function runsOf(page: Page, service: string): Promise<string[]> {
    const runs = await page.evaluate(
        async () => ((await (await fetch("/api/runs")).json()) as { runs: { id: string; service: string }[] }).runs,
    );
    return runs.filter((run) => run.service === service).map(({ id }) => id);
}

export interface Watched {
    page: Page;
    /** Errors, refusals by the policy, and requests that are none of the page's own. */
    complaints: string[];
}

/** A page of its own, of which all is noted that should not be. */
export async function open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Watched> {
    const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
    page.on("console", (message) => message.type() === "error" && complaints.push(`console: ${message.text()}`));
    page.on("dialog", (dialog) => {
        complaints.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
    });
    const own = new URL(url);
    page.on("request", (request) => {
        const asked = new URL(request.url());
        if (asked.protocol !== "data:" && (asked.protocol !== own.protocol || asked.host !== own.host))
            complaints.push(`request: ${asked.href}`);
    });
    await page.goto(url);
    return { page, complaints };
}

/** The report file of what a store holds. */
export function report(view: View, run: string, out: string, ...options: string[]): string {
    mkdirSync(join(out, ".."), { recursive: true });
    execFileSync(python, [...COMMAND, "html", view.database, "-o", out, `--run=${run}`, ...options], {
        env: scrubbed({}),
    });
    return out;
}

const AXE = readFileSync(resolve("node_modules/axe-core/axe.min.js"), "utf8");

/** What axe finds fault with, one line each. The page's policy allows no foreign script: it is put in by the debugger. */
export async function faults(page: Page): Promise<string[]> {
    await page.evaluate(AXE);
    return page.evaluate(async () => {
        const axe = (
            window as unknown as {
                axe: {
                    run(): Promise<{
                        violations: { id: string; nodes: { target: unknown; failureSummary: string }[] }[];
                    }>;
                };
            }
        ).axe;
        const { violations } = await axe.run();
        return violations.flatMap(({ id, nodes }) =>
            nodes.map((node) => `${id}: ${String(node.target)} ${node.failureSummary}`),
        );
    });
}
