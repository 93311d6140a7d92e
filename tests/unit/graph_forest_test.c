/* Trees from events, whole and with gaps. */
#include "base/str.h"
#include "graph/graph.h"
#include "symbol/symbol.h"
#include "unit.h"
#include "view/output.h"

#include <stdio.h>
#include <unistd.h>

struct scene {
    struct symbol_cache *symbols;
    struct arena *arena;
    struct graph_forest *forest;
    struct graph_printer *printer;
    struct view_output *out;
    int pipe[2];
    uint64_t time;
};

static void on_tree(void *user, const struct graph_tree *tree) {
    struct scene *scene = user;
    graph_print(scene->printer, tree);
}

static void open_scene(struct scene *scene, const struct graph_wish *wish, const struct graph_style *style) {
    *scene = (struct scene){.arena = arena_new(), .time = 1000000};
    scene->symbols = symbol_cache_new(scene->arena);
    struct graph_names *names = graph_names_new(scene->arena, scene->symbols, NULL, 0);

    assert_int_equal(pipe(scene->pipe), 0);
    scene->out = view_output_new(scene->pipe[1], VIEW_BUFFER_FULL);
    scene->printer = graph_printer_new(scene->arena, style, names, scene->out);
    scene->forest = graph_forest_new(wish, names, on_tree, scene);
}

/* What was printed, without the head. */
static const char *close_scene(struct scene *scene) {
    char text[4096];

    graph_forest_end(scene->forest);
    view_output_free(scene->out);
    close(scene->pipe[1]);
    ssize_t got = read(scene->pipe[0], text, sizeof text);
    close(scene->pipe[0]);
    graph_forest_free(scene->forest);
    graph_printer_free(scene->printer);
    symbol_cache_close(scene->symbols);
    const char *begin = got > 0 ? memchr(text, '\n', (size_t)got) : NULL;
    static char result[4096];
    snprintf(result, sizeof result, "%.*s", begin ? (int)(text + got - begin - 1) : 0, begin ? begin + 1 : "");
    arena_free(scene->arena);
    return result;
}

/* Functions are numbers below all symbols, shown as 0x1... */
static void add(struct scene *scene, enum graph_event_kind kind, uint64_t function, int32_t depth, unsigned thread) {
    struct graph_event event = {
        .kind = kind, .thread = 4000000000u + thread, .time = scene->time, .function = function, .depth = depth};

    scene->time += 1000;
    if (kind == GRAPH_RETURN) {
        event.duration = function * 100;
        event.has_result = function == 7;
        event.result = (uint64_t)-5;
    }
    graph_forest_add(scene->forest, &event);
}

#define CALL(function, depth) add(&scene, GRAPH_CALL, function, depth, 1)
#define RETURN(function, depth) add(&scene, GRAPH_RETURN, function, depth, 1)

static const struct graph_style bare = {.no_cpu = true, .no_duration = true};
static const struct graph_wish all = {0};

static void whole_trees(void **state) {
    struct scene scene;
    (void)state;

    open_scene(&scene, &all, &(struct graph_style){.no_cpu = true});
    CALL(1, 3);
    CALL(2, 4);
    add(&scene, GRAPH_CALL, 9, 0, 2); /* another thread in between */
    RETURN(2, 4);
    CALL(7, 6); /* levels may be missing */
    RETURN(7, 6);
    RETURN(1, 3);
    add(&scene, GRAPH_RETURN, 9, 0, 2);
    assert_string_equal(close_scene(&scene), "# <...>-4000000001\n"
                                             "  0.100 us    |  0x1() {\n"
                                             "  0.200 us    |    0x2();\n"
                                             "  0.700 us    |    0x7() = -5;\n"
                                             "              |  }\n"
                                             "# <...>-4000000002\n"
                                             "  0.900 us    |  0x9();\n");
}

static void lost_returns(void **state) {
    struct scene scene;
    (void)state;

    open_scene(&scene, &all, &bare);
    CALL(1, 0);
    CALL(2, 1);
    CALL(3, 2); /* returned, as did 2: what comes next is as deep */
    CALL(4, 1);
    RETURN(4, 1);
    RETURN(1, 0);
    CALL(5, 0);
    CALL(6, 0);
    assert_string_equal(close_scene(&scene), "# <...>-4000000001\n"
                                             "0x1() {\n"
                                             "  0x2() { /* its return was lost */\n"
                                             "    0x3(); /* its return was lost */\n"
                                             "  }\n"
                                             "  0x4();\n"
                                             "}\n"
                                             "0x5(); /* its return was lost */\n"
                                             "0x6(); /* had not returned */\n");
}

static void lost_calls(void **state) {
    struct scene scene;
    (void)state;

    open_scene(&scene, &all, &bare);
    RETURN(1, 0); /* of a tree that nobody saw */
    CALL(1, 0);
    CALL(3, 2);
    RETURN(3, 2);
    RETURN(2, 1); /* that called 3 */
    RETURN(4, 1);
    RETURN(1, 0);
    assert_int_equal(graph_forest_strays(scene.forest), 1);
    assert_string_equal(close_scene(&scene), "# <...>-4000000001\n"
                                             "0x1() {\n"
                                             "  0x2() { /* when it was called was lost */\n"
                                             "    0x3();\n"
                                             "  }\n"
                                             "  0x4(); /* when it was called was lost */\n"
                                             "}\n");
}

static void no_deeper_than_wished(void **state) {
    struct scene scene;
    const struct graph_wish wish = {.depth = 2};
    (void)state;

    open_scene(&scene, &wish, &bare);
    for (int i = 0; i < 2; i++) {
        CALL(1, 0);
        CALL(2, 1);
        CALL(3, 2);
        CALL(4, 3);
        RETURN(4, 3);
        RETURN(3, 2);
        RETURN(2, 1);
        RETURN(1, 0);
    }
    assert_int_equal(graph_forest_strays(scene.forest), 0);
    assert_string_equal(close_scene(&scene), "# <...>-4000000001\n"
                                             "0x1() {\n  0x2();\n}\n"
                                             "0x1() {\n  0x2();\n}\n");
}

static void only_what_took_long(void **state) {
    struct scene scene;
    (void)state;

    open_scene(&scene, &all, &(struct graph_style){.no_cpu = true, .no_duration = true, .least = 400});
    CALL(9, 0);
    CALL(3, 1);
    CALL(2, 2);
    RETURN(2, 2);
    RETURN(3, 1);
    CALL(4, 1);
    RETURN(4, 1);
    RETURN(9, 0);
    CALL(3, 0);
    RETURN(3, 0);
    assert_string_equal(close_scene(&scene), "# <...>-4000000001\n0x9() {\n  0x4();\n}\n");
}

static void threads_of_one_process(void **state) {
    struct scene scene;
    const struct graph_wish wish = {.process = 4000000};
    struct graph_event born = {.kind = GRAPH_NEW_TASK, .thread = 4000000001u, .child = 4000000002u, .name = "worker"};
    (void)state;

    open_scene(&scene, &wish, &bare);
    graph_forest_know(scene.forest, (pid_t)4000000001u);
    born.same_process = true;
    graph_forest_add(scene.forest, &born);
    born.child++;
    born.same_process = false;
    graph_forest_add(scene.forest, &born);
    for (unsigned thread = 2; thread <= 4; thread++) {
        add(&scene, GRAPH_CALL, thread, 0, thread);
        add(&scene, GRAPH_RETURN, thread, 0, thread);
    }
    assert_string_equal(close_scene(&scene), "# worker-4000000002\n0x2();\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_trees),         cmocka_unit_test(lost_returns),
        cmocka_unit_test(lost_calls),          cmocka_unit_test(no_deeper_than_wished),
        cmocka_unit_test(only_what_took_long), cmocka_unit_test(threads_of_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
