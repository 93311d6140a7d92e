/* -d: each stage of the compiler shows itself. */
#include "session/session_int.h"

static void write_text(struct session *s, const struct strbuf *text) {
    view_output_write(s->view.out, text->data, text->length);
}

void session_show_stages(struct session *s) {
    struct strbuf text = {0};
    node_dump(s->program->tree, false, &text);
    write_text(s, &text);
    strbuf_free(&text);
}

void session_show_unit(struct session *s, const struct session_unit *unit, const struct ir_module *module) {
    unsigned stages = s->options->stages;
    if (!(stages & ~(unsigned)SESSION_STAGE_AST))
        return;
    struct strbuf text = {0};
    strbuf_addf(&text, "# %s%s\n", unit->target.name, unit->targets.items.count > 1 ? ", ..." : "");
    if (stages & SESSION_STAGE_TYPES)
        node_dump(unit->lang.probe, true, &text);
    if (stages & SESSION_STAGE_IR)
        ir_print(module, &text);
    if (stages & SESSION_STAGE_BPF)
        bpf_disassemble(&unit->program, s->diags.source, &text);
    write_text(s, &text);
    strbuf_free(&text);
}
