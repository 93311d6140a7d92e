/* As much of a browser as the pictures use, so that their scripts run under node: elements, events, a canvas that writes
 * down what is drawn on it, an address. From standard input: {tree, script, hash, actions}; to standard output: what is to
 * be seen after each action. An action is [name, argument...], see `actions`. */
"use strict";
const vm = require("vm");
const input = JSON.parse(require("fs").readFileSync(0, "utf8"));

class Element {
    constructor(name) {
        this.name = name;
        this.attributes = {};
        this.childNodes = [];
        this.parentNode = null;
        this.listeners = {};
        this.text = "";
        this.value = "";
        this.style = {};
        this.hidden = false;
        this.clientWidth = 1200;
        this.clientHeight = 600;
        this.dataset = {};
        const classes = new Set();
        this.classList = {add: (c) => classes.add(c), remove: (c) => classes.delete(c), contains: (c) => classes.has(c),
                          toggle: (c, on) => (on ? classes.add(c) : classes.delete(c))};
    }
    get children() { return this.childNodes; }
    get ownerSVGElement() { return document.documentElement; }
    setAttribute(key, value) { this.attributes[key] = String(value); }
    getAttribute(key) { return key in this.attributes ? this.attributes[key] : null; }
    removeAttribute(key) { delete this.attributes[key]; }
    appendChild(child) {
        child.parentNode = this;
        this.childNodes.push(child);
        return child;
    }
    append(...children) { children.forEach((child) => this.appendChild(child)); }
    replaceChildren(...children) {
        this.childNodes = [];
        this.text = "";
        this.append(...children);
    }
    get textContent() { return this.text + this.childNodes.map((child) => child.textContent).join(""); }
    set textContent(text) {
        this.childNodes = [];
        this.text = String(text);
    }
    set innerHTML(_) { throw new Error("names could become markup"); }
    addEventListener(kind, action) { (this.listeners[kind] = this.listeners[kind] || []).push(action); }
    getBoundingClientRect() { return {left: 0, top: 0, width: this.clientWidth, height: this.clientHeight}; }
    focus() { document.activeElement = this; }
    getContext() { return this.context = this.context || canvas(this); }
    setPointerCapture() {}
    get scrollTop() { return 0; } /* all pictures of the tests fit */
    set scrollTop(_) {}
    *all() {
        yield this;
        for (const child of this.childNodes)
            yield* child.all();
    }
}

/* A canvas: the rectangles and texts since it was last cleared. */
function canvas(element) {
    const context = {canvas: element, drawn: [], font: "", fillStyle: "", strokeStyle: "", globalAlpha: 1, textBaseline: ""};
    context.measureText = (text) => ({width: Array.from(text).length * 7});
    context.clearRect = () => { context.drawn = []; };
    context.fillRect = (x, y, width, height) => context.drawn.push({x, y, width, height, fill: context.fillStyle});
    context.fillText = (text, x, y) => context.drawn.push({text, x, y});
    context.createPattern = () => "pattern";
    for (const name of ["beginPath", "moveTo", "lineTo", "stroke", "strokeRect", "setTransform", "scale", "save", "restore",
                        "rect", "clip", "fill", "translate", "rotate"])
        context[name] = () => {};
    return context;
}

function build(node) {
    const element = new Element(node.name);
    Object.assign(element.attributes, node.attributes);
    element.text = node.text || "";
    for (const child of node.children)
        element.appendChild(build(child));
    if (node.attributes.value !== undefined)
        element.value = node.attributes.value;
    return element;
}

/* Calls listeners from the target outwards. */
function fire(target, kind, more = {}) {
    const event = {type: kind, target, preventDefault() {}, stopPropagation() { this.stopped = true; }, button: 0, ...more};
    for (let at = target; at && !event.stopped; at = at.parentNode)
        (at.listeners[kind] || []).forEach((action) => action(event));
    if (!event.stopped)
        (windowListeners[kind] || []).forEach((action) => action(event));
}

const windowListeners = {}, frames = [];
const location = {hash: input.hash || "", pathname: "/x", search: ""};
const root = build(input.tree);
const document = {
    documentElement: root,
    currentScript: null,
    body: [...root.all()].find((one) => one.name === "body") || root,
    title: "",
    createElementNS: (_, name) => new Element(name),
    createElement: (name) => new Element(name),
    createTextNode: (text) => Object.assign(new Element("#text"), {text}),
    getElementById: (id) => [...root.all()].find((one) => one.attributes.id === id) || null,
    addEventListener: (kind, action) => root.addEventListener(kind, action),
};
const window = {
    innerWidth: input.width || 0, innerHeight: 800, devicePixelRatio: 1,
    addEventListener: (kind, action) => (windowListeners[kind] = windowListeners[kind] || []).push(action),
    matchMedia: () => ({matches: false, addEventListener() {}}),
    requestAnimationFrame: (action) => frames.push(action),
    setTimeout: (action) => frames.push(action), clearTimeout() {},
};
const history = {pushState: (_, __, hash) => { location.hash = hash === "#" || !hash.includes("#") ? "" : hash; }};
history.replaceState = history.pushState;
const sandbox = {document, window, location, history, atob, TextDecoder, TextEncoder, URL, console,
                 setTimeout: window.setTimeout, clearTimeout() {}, requestAnimationFrame: window.requestAnimationFrame,
                 getComputedStyle: () => ({getPropertyValue: () => "#000"})};
vm.createContext(sandbox);

function settle() {
    while (frames.length)
        frames.shift()(0);
}

function titleOf(group) {
    const title = group.childNodes.find((child) => child.name === "title");
    return title ? title.textContent.split("\n")[0] : "";
}

/* The frames of an .svg. */
function svgFrames() {
    return document.getElementById("frames").childNodes.map((group) => {
        const rect = group.childNodes.find((child) => child.name === "rect"), label = group.childNodes.find((c) => c.name === "text");
        return {name: titleOf(group), about: group.childNodes[0].textContent, label: label ? label.textContent : "",
                x: rect.attributes.x, y: rect.attributes.y, width: rect.attributes.width, fill: rect.attributes.fill};
    });
}

const actions = {
    frames: svgFrames,
    click(name) {
        fire(document.getElementById("frames").childNodes.find((group) => titleOf(group) === name).childNodes[1], "click");
    },
    hover(name) {
        fire(document.getElementById("frames").childNodes.find((group) => titleOf(group) === name).childNodes[1], "mouseover");
    },
    /* Clicks on what has this text, or this id. */
    press(text) {
        const target = [...root.all()].reverse().find((one) => one.textContent === text || one.attributes.id === text);
        fire(target, "click");
    },
    type(text, id) {
        const field = id ? document.getElementById(id) : [...root.all()].find((one) => one.name === "input");
        field.value = text;
        fire(field, "input");
    },
    choose(id, value) {
        const field = document.getElementById(id);
        field.value = value;
        fire(field, "change");
    },
    key(key, more = {}) { fire(document.activeElement || document.body, "keydown", {key, ...more}); },
    pointer(id, kind, x, y) { fire(document.getElementById(id), kind, {offsetX: x, offsetY: y, clientX: x, clientY: y, pointerId: 1}); },
    back(hash) {
        location.hash = hash;
        (windowListeners.popstate || []).forEach((action) => action({}));
    },
    address: () => location.hash,
    text: (id) => document.getElementById(id).textContent,
    texts: () => [...root.all()].filter((one) => !one.childNodes.length && one.name !== "script").map((one) => one.textContent),
    attribute: (id, name) => (id ? document.getElementById(id) : root).getAttribute(name),
    drawn: (id) => document.getElementById(id).getContext().drawn,
    rows: (id) => document.getElementById(id).childNodes.map((row) => row.childNodes.map((cell) => cell.textContent)),
    run: (text) => vm.runInContext(text, sandbox),
};

document.currentScript = root;
vm.runInContext(input.script, sandbox);
settle();
const seen = [];
for (const [name, ...rest] of input.actions) {
    const result = actions[name](...rest);
    settle();
    seen.push(result === undefined ? null : result);
}
console.log(JSON.stringify(seen));
