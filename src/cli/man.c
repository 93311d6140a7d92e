/* Manual pages as roff, from the tables and the manual of the language. */
#include "cli/cli.h"
#include "cli/manual.h"
#include <ctype.h>
#include <string.h>

const char *const cli_man_pages[] = {"tarsier", "fmt", "flame", "diff", "language", NULL};

/* ---- roff ----------------------------------------------------------------------------------------------------------
 */

/* What roff would take as markup or turn into a typographic sign that a shell does not know. */
static const char *const roff_characters[128] = {
    ['"'] = "\\(dq", ['\''] = "\\(aq", ['-'] = "\\-", ['\\'] = "\\e", ['^'] = "\\(ha", ['`'] = "\\(ga", ['~'] = "\\(ti",
};

static void roff_byte(char byte) {
    unsigned char c = (unsigned char)byte;
    if (c < 128 && roff_characters[c])
        fputs(roff_characters[c], stdout);
    else
        putchar(c);
}

static void roff_bytes(const char *text, size_t length) {
    if (length && *text == '.')
        fputs("\\&", stdout);
    for (size_t i = 0; i < length; i++)
        roff_byte(text[i]);
}

static void roff(const char *text) { roff_bytes(text, strlen(text)); }

static void roff_item(const char *term, const char *text) {
    fputs(".TP\n.B ", stdout);
    roff(term);
    fputs("\n", stdout);
    roff(text);
    fputs("\n", stdout);
}

/* `code` in bold. */
static void roff_marked(struct manual_cell cell) {
    bool in_code = false;
    if (cell.length && *cell.text == '.')
        fputs("\\&", stdout);
    for (size_t i = 0; i < cell.length; i++) {
        char c = cell.text[i];
        if (c == '`') {
            in_code = !in_code;
            fputs(in_code ? "\\fB" : "\\fR", stdout);
        } else if (c != '\\' || i + 1 == cell.length || cell.text[i + 1] != '|') {
            roff_byte(c);
        }
    }
}

static void page_head(const char *title, int section, const char *name, const char *summary) {
    printf(".TH %s %d \"\" \"tarsier %s\" \"%s\"\n.ad l\n.SH NAME\n", title, section, TARSIER_VERSION,
           section == 1 ? "User Commands" : "Miscellaneous");
    roff(name);
    printf(" \\- %s\n", summary);
}

static void options(const struct cli_option_set *set) {
    puts(".SH OPTIONS");
    for (int i = 0; i < set->count; i++) {
        char spelling[80];
        cli_option_spelling(&set->options[i], spelling, sizeof spelling);
        roff_item(spelling, set->options[i].help);
    }
}

/* ---- tarsier(1) ----------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *name, *meaning;
} environment[] = {
    {"TARSIER_..., BPFTRACE_...", "each setting of the config block, in capitals; goes before the program's own"},
    {"BPFTRACE_COLOR", "auto, always or never: colours of messages"},
    {"NO_COLOR", "no colours"},
};

static void main_page(void) {
    page_head("TARSIER", 1, "tarsier", "ask the running system");
    puts(".SH SYNOPSIS\n.B tarsier\n[\\fIOPTIONS\\fR] \\fB\\-e\\fR \\(aq\\fIPROGRAM\\fR\\(aq [\\fIARGUMENTS\\fR]\n.br\n"
         ".B tarsier\n[\\fIOPTIONS\\fR] \\fIFILE\\fR [\\fIARGUMENTS\\fR]\n.br\n.B tarsier \\-l\n[\\fIPATTERN\\fR]\n"
         ".SH DESCRIPTION\nRuns programs in the language of bpftrace inside the kernel and shows what they find.\n"
         "It needs no compiler, no kernel headers and no daemon on the machine.\n"
         "Started through a link named \\fBbpftrace\\fR it stands in for it, with the same options and exit codes.");
    options(&cli_main_options);
    puts(".SH COMMANDS");
    for (unsigned i = 0; i < cli_command_count; i++) {
        char term[80];
        snprintf(term, sizeof term, "%s %s", cli_commands[i].name, cli_commands[i].arguments);
        roff_item(term, cli_commands[i].help);
    }
    puts(".SH EXAMPLES");
    for (unsigned i = 0; i < cli_example_count; i++)
        roff_item(cli_examples[i].command, cli_examples[i].meaning);
    puts(".SH EXIT STATUS");
    for (unsigned i = 0; i < cli_exit_count; i++) {
        char code[16];
        snprintf(code, sizeof code, "%d", cli_exits[i].code);
        roff_item(code, cli_exits[i].meaning);
    }
    puts(".SH ENVIRONMENT");
    for (size_t i = 0; i < sizeof environment / sizeof *environment; i++)
        roff_item(environment[i].name, environment[i].meaning);
    puts(".SH SEE ALSO");
    for (unsigned i = 1; cli_man_pages[i]; i++)
        printf(".BR tarsier\\-%s (%d)%s\n", cli_man_pages[i], strcmp(cli_man_pages[i], "language") == 0 ? 7 : 1,
               cli_man_pages[i + 1] ? "," : "");
}

/* ---- pages of subcommands ------------------------------------------------------------------------------------------
 */

static void command_page(const struct cli_command *command) {
    char name[40], title[40] = "TARSIER\\-";
    snprintf(name, sizeof name, "tarsier-%s", command->name);
    for (size_t i = 0, end = strlen(title); command->name[i] && end + i + 1 < sizeof title; i++)
        title[end + i] = (char)toupper((unsigned char)command->name[i]);
    page_head(title, 1, name, command->help);
    printf(".SH SYNOPSIS\n.B tarsier %s\n[\\fIOPTIONS\\fR] ", command->name);
    roff(command->arguments);
    printf("\n.SH DESCRIPTION\n%s\n", command->about);
    options(command->options);
    puts(".SH SEE ALSO\n.BR tarsier (1)");
}

/* ---- tarsier-language(7) -------------------------------------------------------------------------------------------
 */

static void language_row(const struct manual *manual) {
    fputs(".TP\n", stdout);
    for (unsigned i = 0; i + 1 < manual->cell_count || i == 0; i++) {
        if (i && manual->cells[i].length)
            fputs("  ", stdout);
        roff_marked(manual->cells[i]);
    }
    puts("");
    if (manual->cell_count > 1)
        roff_marked(manual->cells[manual->cell_count - 1]);
    puts("");
}

static void language_line(const struct manual *manual, enum manual_kind before) {
    switch (manual->kind) {
    case MANUAL_HEADING:
        fputs(manual->level <= 2 ? ".SH " : ".SS ", stdout);
        roff_marked(manual->line);
        puts("");
        break;
    case MANUAL_ITEM:
        puts(".IP \\(bu 2");
        roff_marked(manual->line);
        puts("");
        break;
    case MANUAL_TEXT:
        if (before != MANUAL_TEXT && before != MANUAL_HEADING)
            puts(".PP");
        roff_marked(manual->line);
        puts("");
        break;
    case MANUAL_CONTINUED:
        roff_marked(manual->line);
        puts("");
        break;
    case MANUAL_FENCE:
        puts(manual->in_code ? ".PP\n.RS 4\n.nf" : ".fi\n.RE");
        break;
    case MANUAL_CODE:
        roff_bytes(manual->line.text, manual->line.length);
        puts("");
        break;
    case MANUAL_ROW:
        language_row(manual);
        break;
    default: /* heads of tables: their rows read as a list */
        break;
    }
}

static void language_page(void) {
    struct manual manual;
    enum manual_kind before = MANUAL_HEADING;
    page_head("TARSIER\\-LANGUAGE", 7, "tarsier-language", "the language of programs for tarsier");
    puts(".SH DESCRIPTION");
    manual_start(&manual);
    manual_next(&manual); /* the title */
    while (manual_next(&manual)) {
        language_line(&manual, before);
        before = manual.kind == MANUAL_BLANK && before == MANUAL_HEADING ? before : manual.kind;
    }
    puts(".SH SEE ALSO\n.BR tarsier (1)");
}

int cli_man(const struct cli_request *request) {
    const char *page = request->argument_count > 1 ? request->arguments[1] : "tarsier";
    if (strcmp(page, "tarsier") == 0 || *page == '\0') {
        main_page();
        return SESSION_OK;
    }
    if (strcmp(page, "language") == 0) {
        language_page();
        return SESSION_OK;
    }
    for (unsigned i = 0; i < cli_command_count; i++) {
        if (strcmp(cli_commands[i].name, page) == 0 && cli_commands[i].about) {
            command_page(&cli_commands[i]);
            return SESSION_OK;
        }
    }
    cli_wrong("there is no manual page %s: `tarsier help man` names them", page);
    return SESSION_USER_ERROR;
}
