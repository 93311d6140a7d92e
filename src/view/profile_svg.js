/* The flame graph of an .svg: zoom by a click, search, invert, state in the address. It takes the place of the static
 * frames that are in the file for viewers without scripts; sizes are those of profile_svg.c. */
(() => {
    const SVG = "http://www.w3.org/2000/svg", HTML = "http://www.w3.org/1999/xhtml";
    const MARGIN = 10, ROW = 16, BOTTOM = 26, CHARACTER = 6.6, FOUND = "#e64de0";
    const script = document.currentScript;
    const svg = (script && script.ownerSVGElement) || document.documentElement;
    const byId = (id) => document.getElementById(id);
    const data = Flame.decode(byId("profile").textContent);
    const tree = Flame.treeOf(data);
    const frames = byId("frames"), details = byId("details"), TOP = Number(svg.getAttribute("data-top"));
    const view = {width: Number(svg.getAttribute("width")), rows: 0, root: 0, inverted: Boolean(data.header.inverted),
                  pattern: ""};
    const nodeOf = new Map(); /* element -> node */
    const controls = {};

    function element(parent, name, attributes, text) {
        const made = document.createElementNS(SVG, name);
        for (const key of Object.keys(attributes))
            made.setAttribute(key, attributes[key]);
        if (text !== undefined)
            made.textContent = text;
        parent.appendChild(made);
        return made;
    }

    function fill(node, found) {
        const func = tree.func[node];
        if (found && node && found[func])
            return FOUND;
        if (!node)
            return "#c9c9d2";
        if (tree.beforeTotal)
            return Flame.changeColor(data, tree, node);
        return data.functions[func].kind === Flame.CUT ? "url(#cut)" : data.functions[func].color;
    }

    function drawFrame(node, y, x, width, found) {
        const group = element(frames, "g", {});
        const name = node ? data.functions[tree.func[node]].name : "all";
        const isAbove = node !== view.root && tree.level[node] < tree.level[view.root];
        const label = Flame.fit(name, width, CHARACTER);
        nodeOf.set(group, node);
        element(group, "title", {}, Flame.about(data, tree, node).join("\n"));
        element(group, "rect", {x: (x + MARGIN).toFixed(2), y, width: Math.max(0.1, width).toFixed(2), height: ROW - 1,
                                fill: fill(node, found), ...(isAbove ? {opacity: "0.55"} : {})});
        if (label)
            element(group, "text", {x: (x + MARGIN + 3).toFixed(2), y: y + 11.5}, label);
    }

    function resize() {
        const height = TOP + view.rows * ROW + BOTTOM;
        svg.setAttribute("width", view.width);
        svg.setAttribute("height", height);
        svg.setAttribute("viewBox", `0 0 ${view.width} ${height}`);
        details.setAttribute("y", height - 9);
        controls.reset.setAttribute("x", MARGIN);
        controls.invert.setAttribute("x", view.width - 290);
        controls.search.setAttribute("x", view.width - 240);
        controls.matched.setAttribute("x", view.width - MARGIN);
        return height;
    }

    function render() {
        const found = Flame.matches(data, view.pattern), inner = view.width - 2 * MARGIN, drawn = [];
        let rows = 0;
        Flame.layout(tree, view.root, inner, data.header.minWidth, (node, level, x, width) => {
            drawn.push([node, level, x, width]);
            rows = Math.max(rows, level + 1);
        });
        view.rows = Math.max(view.rows, rows);
        const height = resize();
        nodeOf.clear();
        frames.replaceChildren();
        for (const [node, level, x, width] of drawn)
            drawFrame(node, view.inverted ? TOP + level * ROW : height - BOTTOM - (level + 1) * ROW, x, width, found);
        controls.reset.setAttribute("visibility", view.root ? "visible" : "hidden");
        controls.matched.textContent = matchedText(found);
    }

    function matchedText(found) {
        if (!view.pattern)
            return "";
        if (!found)
            return "not a regular expression";
        const whole = tree.total[view.root];
        return `matched: ${Flame.percent(whole ? Flame.matchedWeight(tree, view.root, found) / whole : 0)} %`;
    }

    /* ---- state ---- */

    function apply(hash) {
        const state = Flame.readState(hash), root = Number(state.z || 0);
        view.root = Number.isInteger(root) && root >= 0 && root < tree.count ? root : 0;
        view.pattern = state.s || "";
        view.inverted = state.i === undefined ? Boolean(data.header.inverted) : state.i === "1";
        if (controls.input.value !== view.pattern)
            controls.input.value = view.pattern;
        render();
    }

    function go(change) {
        const next = {...view, ...change};
        const hash = Flame.writeState({z: next.root || undefined, s: next.pattern || undefined,
                                       i: next.inverted === Boolean(data.header.inverted) ? undefined
                                                                                          : next.inverted ? "1" : "0"});
        if (location.hash === hash)
            return;
        try {
            history.pushState(null, "", hash || "#");
        } catch (_) { /* a place that has no address: the picture works without */
        }
        apply(hash);
    }

    /* ---- controls ---- */

    function button(x, text, action) {
        const made = element(svg, "text", {x, y: TOP - 8, class: "button", tabindex: 0, role: "button"}, text);
        made.addEventListener("click", action);
        made.addEventListener("keydown", (event) => event.key === "Enter" && action());
        return made;
    }

    function makeControls() {
        controls.reset = button(MARGIN, "reset zoom", () => go({root: 0}));
        controls.invert = button(0, "invert", () => go({inverted: !view.inverted}));
        controls.search = element(svg, "foreignObject", {x: 0, y: TOP - 24, width: 120, height: 22});
        controls.matched = element(svg, "text", {x: 0, y: TOP - 8, class: "matched"}, "");
        controls.input = document.createElementNS(HTML, "input");
        controls.input.setAttribute("placeholder", "search (/)");
        controls.input.setAttribute("aria-label", "search: a regular expression");
        controls.input.setAttribute("class", "search");
        controls.input.addEventListener("input", () => go({pattern: controls.input.value}));
        controls.search.appendChild(controls.input);
    }

    function nodeAt(target) {
        for (let at = target; at && at !== svg; at = at.parentNode) {
            if (nodeOf.has(at))
                return nodeOf.get(at);
        }
        return -1;
    }

    function keyDown(event) {
        if ((event.key === "/" && event.target !== controls.input) || (event.key === "f" && event.ctrlKey)) {
            event.preventDefault();
            controls.input.focus();
        } else if (event.key === "Escape") {
            go(view.pattern ? {pattern: ""} : {root: 0});
        }
    }

    function fitWindow() {
        if (svg !== document.documentElement || !window.innerWidth)
            return;
        view.width = Math.max(600, window.innerWidth - 18);
        render();
    }

    makeControls();
    frames.addEventListener("click", (event) => {
        const node = nodeAt(event.target);
        if (node >= 0)
            go({root: node});
    });
    frames.addEventListener("mouseover", (event) => {
        const node = nodeAt(event.target);
        details.textContent = node < 0 ? "" : Flame.about(data, tree, node).join(" · ");
    });
    frames.addEventListener("mouseout", () => { details.textContent = ""; });
    window.addEventListener("keydown", keyDown);
    window.addEventListener("hashchange", () => apply(location.hash));
    window.addEventListener("popstate", () => apply(location.hash));
    window.addEventListener("resize", fitWindow);
    apply(location.hash);
    fitWindow();
})();
