/* The page of an .html profile: flame graph and icicle on a canvas, one function with its callers and callees, threads,
 * a heat map of the time, search, a table. profile_flame.js does the counting; here it is drawn. Texts reach the page as
 * texts only (textContent and canvas): names may hold anything. */
(() => {
    const ROW = 18, CHARACTER = 6.6, LEAST = 0.4, FOUND = "#e64de0", TABLE_ROWS = 300;
    const HEAT_ROWS = 50, HEAT_ROW = 3, HEAT_MOST = 30000; /* rows of a second; pixels */
    const byId = (id) => document.getElementById(id);
    const data = Flame.decode(byId("profile").textContent);
    const {header} = data;
    const view = {root: 0, pattern: "", inverted: Boolean(header.inverted), thread: "", grouping: "process", from: "", to: "",
                  func: 0, colors: header.colors, side: ""};
    const usual = {...view};
    let tree = null, treeKey = "", heat = null, rows = [], sorted = "self";

    function make(parent, name, text) {
        const made = document.createElement(name);
        if (text !== undefined)
            made.textContent = text;
        parent.appendChild(made);
        return made;
    }

    function color(name) { return getComputedStyle(document.documentElement).getPropertyValue(name) || "#888"; }

    /* ---- a tree on a canvas ---- */

    let hatches = null;
    function hatchesFor(context) {
        if (!hatches) {
            const small = document.createElement("canvas"), pen = small.getContext("2d");
            small.width = small.height = 6;
            pen.fillStyle = "#d6d0d6";
            pen.fillRect(0, 0, 6, 6);
            pen.strokeStyle = "#8f8590";
            pen.lineWidth = 2;
            pen.beginPath();
            for (const [x, y] of [[0, 6], [-6, 6], [6, 6]]) {
                pen.moveTo(x - 1, y + 1);
                pen.lineTo(x + 7, y - 7);
            }
            pen.stroke();
            hatches = context.createPattern(small, "repeat");
        }
        return hatches;
    }

    /* The canvas is as large as the stage, not as the picture: the stage scrolls over an empty box of its size. */
    class Picture {
        constructor(name, most, onPick) {
            this.stage = byId(name);
            this.space = byId(`${name}-space`);
            this.canvas = byId(`${name}-canvas`);
            this.most = most;
            this.levels = [];
            this.stage.addEventListener("scroll", () => this.paint());
            this.canvas.addEventListener("click", (event) => {
                const node = this.nodeAt(event.offsetX, event.offsetY);
                if (node >= 0)
                    onPick(this, node, event);
            });
            this.canvas.addEventListener("mousemove", (event) => {
                const node = this.nodeAt(event.offsetX, event.offsetY);
                byId("details").textContent = node < 0 ? "" : Flame.about(data, this.tree, node).join(" · ");
                this.canvas.title = node < 0 ? "" : Flame.about(data, this.tree, node).join("\n");
            });
            this.canvas.addEventListener("mouseleave", () => { byId("details").textContent = ""; });
        }

        show(what) { /* {tree, root, inverted, found, weights} */
            const isTurned = this.inverted !== what.inverted;
            Object.assign(this, what);
            this.width = Math.max(300, this.stage.clientWidth);
            this.levels = [];
            Flame.layout(this.tree, this.root, this.width, LEAST, (node, level, x, width) => {
                (this.levels[level] = this.levels[level] || []).push([x, width, node]);
            }, this.weights || this.tree.total);
            const wanted = this.levels.length * ROW;
            this.height = Math.min(wanted, Math.max(200, Math.round(window.innerHeight * this.most)));
            this.space.style.height = `${Math.max(0, wanted - this.height)}px`;
            this.stage.style.height = `${this.height}px`;
            const ratio = window.devicePixelRatio || 1;
            this.canvas.width = this.width * ratio;
            this.canvas.height = this.height * ratio;
            this.canvas.style.width = `${this.width}px`;
            this.canvas.style.height = `${this.height}px`;
            this.context = this.canvas.getContext("2d");
            this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
            if (isTurned)
                this.stage.scrollTop = this.inverted ? 0 : wanted;
            this.paint();
        }

        /* Where a level is on the canvas. */
        top(level) {
            const line = this.inverted ? level : this.levels.length - 1 - level;
            return line * ROW - (this.stage.scrollTop || 0);
        }

        fill(node) {
            const func = this.tree.func[node];
            if (!node)
                return color("--above");
            if (this.found && this.found[func])
                return FOUND;
            if (this.tree.beforeTotal)
                return Flame.changeColor(data, this.tree, node);
            return data.functions[func].kind === Flame.CUT ? hatchesFor(this.context) : data.functions[func].color;
        }

        paint() {
            const {context} = this;
            context.clearRect(0, 0, this.width, this.height);
            context.font = "11px ui-monospace, 'DejaVu Sans Mono', Menlo, monospace";
            context.textBaseline = "middle";
            this.levels.forEach((frames, level) => {
                const y = this.top(level);
                if (y <= -ROW || y >= this.height)
                    return;
                for (const [x, width, node] of frames) {
                    context.globalAlpha = level < this.tree.level[this.root] ? 0.55 : 1;
                    context.fillStyle = this.fill(node);
                    context.fillRect(x, y, Math.max(0.5, width - (width > 3 ? 0.7 : 0)), ROW - 1);
                    const label = Flame.fit(node ? data.functions[this.tree.func[node]].name : "all", width, CHARACTER);
                    if (!label)
                        continue;
                    context.globalAlpha = 1;
                    context.fillStyle = "#141414";
                    context.fillText(label, x + 3, y + ROW / 2);
                }
            });
            context.globalAlpha = 1;
        }

        nodeAt(x, y) {
            const line = Math.floor((y + (this.stage.scrollTop || 0)) / ROW);
            const frames = this.levels[this.inverted ? line : this.levels.length - 1 - line] || [];
            const hit = frames.find(([left, width]) => x >= left && x < left + Math.max(1, width));
            return hit ? hit[2] : -1;
        }
    }

    /* ---- the heat map: a column a second, from its beginning (below) to its end ---- */

    function countHeat() {
        const {samples} = data;
        let last = 0;
        for (let i = 0; i < samples.count; i++)
            last = Math.max(last, samples.time[i]);
        const second = 1e9 / header.tick, seconds = Math.floor(last / second) + 1;
        const step = Math.ceil(seconds * 2 / HEAT_MOST), columns = Math.ceil(seconds / step);
        const cell = second * step / HEAT_ROWS, counts = new Float64Array(columns * HEAT_ROWS);
        let most = 1;
        for (let i = 0; i < samples.count; i++) {
            if (view.thread !== "" && samples.thread[i] !== Number(view.thread))
                continue;
            const at = Math.floor(samples.time[i] / cell);
            counts[at] += samples.number[i];
            most = Math.max(most, counts[at]);
        }
        return {cell, columns, counts, most, step};
    }

    function paintHeat() {
        const canvas = byId("heat"), {columns, counts, most, cell} = heat;
        const width = Math.max(2, Math.min(16, Math.floor(byId("hot").clientWidth / columns)));
        heat.width = width;
        canvas.width = columns * width;
        canvas.height = HEAT_ROWS * HEAT_ROW;
        const context = canvas.getContext("2d");
        context.clearRect(0, 0, canvas.width, canvas.height);
        for (let at = 0; at < counts.length; at++) {
            const start = at * cell, isChosen = view.from !== "" && start >= Number(view.from) && start < Number(view.to);
            const share = counts[at] / most;
            if (!share && !isChosen)
                continue;
            context.fillStyle = isChosen ? `rgba(64, 110, 220, ${0.25 + 0.75 * share})` : `rgba(214, 72, 44, ${0.12 + 0.88 * share})`;
            context.fillRect(Math.floor(at / HEAT_ROWS) * width, (HEAT_ROWS - 1 - at % HEAT_ROWS) * HEAT_ROW, width, HEAT_ROW);
        }
    }

    function heatCell(event) {
        const column = Math.max(0, Math.min(heat.columns - 1, Math.floor(event.offsetX / heat.width)));
        const row = Math.max(0, Math.min(HEAT_ROWS - 1, Math.floor(event.offsetY / HEAT_ROW)));
        return column * HEAT_ROWS + HEAT_ROWS - 1 - row;
    }

    function watchHeat() {
        const canvas = byId("heat");
        let start = -1;
        const chosen = (event) => {
            const end = heatCell(event);
            return {from: String(Math.min(start, end) * heat.cell), to: String((Math.max(start, end) + 1) * heat.cell)};
        };
        canvas.addEventListener("pointerdown", (event) => {
            start = heatCell(event);
            canvas.setPointerCapture(event.pointerId);
        });
        canvas.addEventListener("pointermove", (event) => {
            if (start < 0)
                return;
            Object.assign(view, chosen(event));
            paintHeat();
        });
        canvas.addEventListener("pointerup", (event) => {
            if (start < 0)
                return;
            const range = chosen(event);
            start = -1;
            view.from = view.to = ""; /* so that go() sees the change */
            go({...range, root: 0});
        });
    }

    /* ---- state ---- */

    const NAMES = {root: "z", pattern: "s", inverted: "i", thread: "t", grouping: "g", from: "from", to: "to", func: "f",
                   colors: "c", side: "b"};

    function stateText(next) {
        const state = {};
        for (const key of Object.keys(NAMES)) {
            if (next[key] !== usual[key])
                state[NAMES[key]] = typeof next[key] === "boolean" ? (next[key] ? "1" : "0") : String(next[key] || "-");
        }
        return Flame.writeState(state);
    }

    function apply(hash) {
        const state = Flame.readState(hash);
        const whole = (text, below) => (/^\d+$/.test(text || "") && Number(text) < below ? Number(text) : 0);
        const word = (key, known) => {
            const text = state[NAMES[key]] === "-" ? "" : state[NAMES[key]];
            return text !== undefined && known(text) ? text : usual[key];
        };
        Object.assign(view, {
            pattern: state.s || "",
            inverted: state.i === undefined ? usual.inverted : state.i === "1",
            thread: word("thread", (text) => /^\d+$/.test(text) && Number(text) < data.threads.length),
            grouping: word("grouping", (text) => ["", "process", "thread"].includes(text)),
            colors: word("colors", (text) => ["kind", "module", "name"].includes(text)),
            side: word("side", (text) => text === "before"),
            from: word("from", (text) => header.times && text !== "" && Number(text) >= 0),
            to: word("to", (text) => header.times && text !== "" && Number(text) >= 0),
            func: whole(state.f, data.functions.length),
        });
        if (view.from === "" || view.to === "")
            view.from = view.to = "";
        grow();
        view.root = whole(state.z, tree.count);
        showAll();
    }

    function go(change) {
        const hash = stateText({...view, ...change});
        if (location.hash === hash)
            return;
        try {
            history.pushState(null, "", hash || "#");
        } catch (_) { /* a place that has no address: the page works without */
        }
        apply(hash);
    }

    /* The tree of what is chosen; it is only made again when that changes. */
    function grow() {
        const key = [view.grouping, view.thread, view.from, view.to].join(" ");
        if (tree && key === treeKey)
            return;
        const choice = {grouping: view.grouping || undefined};
        if (view.thread !== "")
            choice.thread = Number(view.thread);
        if (view.from !== "")
            Object.assign(choice, {from: Number(view.from), to: Number(view.to)});
        tree = Flame.treeOf(data, choice);
        rows = Flame.table(data, tree);
        treeKey = key;
        if (header.times)
            heat = countHeat();
    }

    /* ---- all of it ---- */

    const flame = new Picture("flame", 0.62, (picture, node, event) => {
        if (event.shiftKey && node)
            go({func: tree.func[node]});
        else
            go({root: node});
    });
    const pickFunction = (picture, node) => go({func: picture.tree.func[node]});
    const callers = new Picture("callers", 0.3, pickFunction), callees = new Picture("callees", 0.3, pickFunction);

    function showMatched(found) {
        const weights = weightsOf(), whole = weights[view.root];
        byId("matched").textContent = !view.pattern ? "" : !found ? "not a regular expression" :
            `matched: ${Flame.percent(whole ? Flame.matchedWeight(tree, view.root, found, weights) / whole : 0)} %`;
    }

    function weightsOf() { return view.side === "before" && tree.beforeTotal ? tree.beforeTotal : tree.total; }

    function showSandwich(found) {
        byId("sandwich").hidden = !view.func;
        if (!view.func)
            return;
        const both = Flame.sandwich(data, tree, view.func);
        byId("function").textContent = data.functions[view.func].name;
        callers.show({tree: both.callers, root: 0, inverted: false, found});
        callees.show({tree: both.callees, root: 0, inverted: true, found});
    }

    function showTable(found) {
        const shown = rows.filter((row) => !view.pattern || (found && found[row.func]));
        shown.sort((a, b) => (sorted === "name" ? a.func - b.func : b[sorted] - a[sorted] || a.func - b.func));
        const body = byId("rows"), whole = tree.total[0] || 1;
        body.replaceChildren();
        for (const row of shown.slice(0, TABLE_ROWS)) {
            const line = make(body, "tr"), one = data.functions[row.func];
            for (const weight of [row.self, row.total]) {
                make(line, "td", `${Flame.percent(weight / whole)} %`).className = "number";
                make(line, "td", Flame.amount(weight, header.unit)).className = "number";
            }
            make(line, "td", one.name);
            make(line, "td", one.module);
            line.addEventListener("click", () => go({func: row.func}));
        }
        byId("more").textContent = shown.length > TABLE_ROWS ? `${Flame.grouped(shown.length - TABLE_ROWS)} more functions` : "";
    }

    function showControls() {
        const wanted = {search: view.pattern, thread: view.thread, grouping: view.grouping, colors: view.colors,
                        side: view.side};
        for (const id of Object.keys(wanted)) {
            if (byId(id).value !== wanted[id])
                byId(id).value = wanted[id];
        }
        byId("reset").disabled = !view.root;
        byId("alltime").hidden = view.from === "";
        byId("span").textContent = view.from === "" ? "" :
            `${(view.from * header.tick / 1e9).toFixed(2)} s to ${(view.to * header.tick / 1e9).toFixed(2)} s`;
    }

    function showAll() {
        if (header.colors !== view.colors)
            Flame.recolor(data, view.colors);
        const found = Flame.matches(data, view.pattern);
        showControls();
        if (heat)
            paintHeat();
        flame.show({tree, root: view.root, inverted: view.inverted, found, weights: weightsOf()});
        showMatched(found);
        showSandwich(found);
        showTable(found);
    }

    function fillThreads() {
        const weight = new Float64Array(data.threads.length), select = byId("thread");
        for (let i = 0; i < data.samples.count; i++)
            weight[data.samples.thread[i]] += data.samples.weight[i];
        const order = data.threads.map((_, i) => i).filter((i) => weight[i]).sort((a, b) => weight[b] - weight[a] || a - b);
        for (const i of order) {
            const thread = data.threads[i];
            const option = make(select, "option", `${thread.name || "?"} ${thread.thread}: ${Flame.amount(weight[i], header.unit)}`);
            option.value = String(i);
            option.setAttribute("value", i);
        }
    }

    function watch() {
        const on = (id, kind, action) => byId(id).addEventListener(kind, action);
        on("reset", "click", () => go({root: 0}));
        on("invert", "click", () => go({inverted: !view.inverted}));
        on("alltime", "click", () => go({from: "", to: "", root: 0}));
        on("close", "click", () => go({func: 0}));
        on("search", "input", () => go({pattern: byId("search").value}));
        on("thread", "change", () => go({thread: byId("thread").value, root: 0}));
        on("grouping", "change", () => go({grouping: byId("grouping").value, root: 0}));
        on("colors", "change", () => go({colors: byId("colors").value}));
        on("side", "change", () => go({side: byId("side").value}));
        on("theme", "click", () => {
            const root = document.documentElement.classList;
            const isDark = root.contains("dark") ||
                (!root.contains("light") && window.matchMedia("(prefers-color-scheme: dark)").matches);
            root.toggle("dark", !isDark);
            root.toggle("light", isDark);
            showAll();
        });
        for (const key of ["self", "total", "name"]) {
            on(`by-${key}`, "click", () => {
                sorted = key;
                showTable(Flame.matches(data, view.pattern));
            });
        }
        window.addEventListener("keydown", (event) => {
            if ((event.key === "/" && event.target !== byId("search")) || (event.key === "f" && event.ctrlKey)) {
                event.preventDefault();
                byId("search").focus();
            } else if (event.key === "Escape") {
                go(view.pattern ? {pattern: ""} : view.func ? {func: 0} : {root: 0});
            }
        });
        window.addEventListener("popstate", () => apply(location.hash));
        window.addEventListener("hashchange", () => apply(location.hash));
        window.addEventListener("resize", () => requestAnimationFrame(showAll));
    }

    byId("hot").hidden = !header.times;
    byId("grouping").hidden = byId("thread").hidden = !header.threads;
    byId("side").hidden = !header.compared;
    if (header.threads)
        fillThreads();
    if (!header.threads)
        usual.grouping = view.grouping = "";
    watch();
    if (header.times)
        watchHeat();
    apply(location.hash);
})();
