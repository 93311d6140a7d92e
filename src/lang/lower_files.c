/* Files and sockets behind descriptors of the current task, and the name of a file.
 *
 * The kernel has a helper for names (bpf_d_path), but only for a few functions and iterators. So the directory entries
 * are walked here, in every kind of probe, and the name is written from its end:
 *
 *     "/usr/lib/libc.so.6":     ...............................libc.so.6
 *                               ...........................lib/libc.so.6
 *                               ......................./usr/lib/libc.so.6
 */
#include "lang/check_int.h"
#include "lang/lower_int.h"
#include <string.h>
#include <sys/stat.h>

/* ---- fields of kernel structures --------------------------------------------------------------------------------- */

/* Offset of a field; false (and reported) if this kernel has no such thing. */
static bool offset_of(struct lower *l, const char *structure, const char *field, struct loc loc, uint32_t *offset) {
    const struct type *type = l->env->find_type(l->env->context, TYPE_NAME_STRUCT, structure);
    *offset = 0;
    if (type && type_find_field(type, field, offset))
        return true;
    diag_error(l->diags, "no-kernel-type", loc,
               "this needs struct %s with the field %s, which this kernel does not have", structure, field);
    diag_hint(l->diags, "the types come from the kernel's BTF (CONFIG_DEBUG_INFO_BTF); `tarsier info` tells");
    return false;
}

static uint32_t must_offset(struct lower *l, const char *structure, const char *field, struct loc loc) {
    uint32_t offset;
    offset_of(l, structure, field, loc, &offset);
    return offset;
}

/* `size` bytes (1, 2, 4, 8) of kernel memory as a number; 0 where it cannot be read. */
static ir_value read_kernel(struct lower *l, ir_value address, int64_t offset, unsigned size) {
    struct ir_function *f = l->f;
    ir_slot slot = lower_temp_slot(l, 8);
    lower_store_slot(l, slot, ir_constant(f, 0));
    ir_calln(f, IR_HELPER_probe_read_kernel, ir_slot_address(f, slot), ir_constant(f, size),
             ir_add_offset(f, address, offset));
    return lower_take_slot(l, slot);
}

static void continue_if(struct lower *l, ir_value condition, ir_block otherwise) {
    ir_block next = ir_block_new(l->f, l->f->current);
    ir_branch(l->f, condition, next, otherwise);
    ir_enter(l->f, next);
}

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

/*     files = current->files; fdt = files->fdt; if (fd < fdt->max_fds) result = fdt->fd[fd];
 * The kernel knows the types of these pointers, so all but the last are plain loads. Goes to `none` where there is no
 * such file. */
static ir_value file_of(struct lower *l, const struct node *node, ir_block none) {
    struct ir_function *f = l->f;
    ir_value fd = ir_extend(f, lower_scalar(l, node->child), 4, false);
    ir_value task = ir_call0(f, IR_HELPER_get_current_task_btf);
    ir_value files = ir_load(f, 8, task, (int32_t)must_offset(l, "task_struct", "files", node->loc));
    continue_if(l, files, none); /* a kernel thread, or a task that is ending */
    ir_value table = ir_load(f, 8, files, (int32_t)must_offset(l, "files_struct", "fdt", node->loc));
    continue_if(l, table, none);
    ir_value count = ir_load(f, 4, table, (int32_t)must_offset(l, "fdtable", "max_fds", node->loc));
    continue_if(l, ir_binary(f, IR_ULT, fd, count), none);
    ir_value array = ir_load(f, 8, table, (int32_t)must_offset(l, "fdtable", "fd", node->loc));
    ir_value entry = ir_binary(f, IR_ADD, array, ir_binary(f, IR_MUL, fd, ir_constant(f, 8)));
    return read_kernel(l, entry, 0, 8);
}

static ir_value descriptor(struct lower *l, const struct node *node,
                           ir_value (*find)(struct lower *, const struct node *, ir_block)) {
    struct ir_function *f = l->f;
    ir_slot result = lower_temp_slot(l, 8);
    lower_store_slot(l, result, ir_constant(f, 0));
    ir_block join = ir_block_new(f, f->current);
    ir_value found = find(l, node, join);
    lower_store_slot(l, result, found);
    ir_jump(f, join);
    ir_enter(f, join);
    return lower_take_slot(l, result);
}

/* Only if the inode says that it is a socket: private_data is something else in other files. */
static ir_value sock_of(struct lower *l, const struct node *node, ir_block none) {
    struct ir_function *f = l->f;
    struct loc loc = node->loc;
    ir_value file = file_of(l, node, none);
    continue_if(l, file, none);
    ir_value inode = read_kernel(l, file, must_offset(l, "file", "f_inode", loc), 8);
    ir_value mode = read_kernel(l, inode, must_offset(l, "inode", "i_mode", loc), 2);
    ir_value kind = ir_binary(f, IR_AND, mode, ir_constant(f, S_IFMT));
    continue_if(l, ir_binary(f, IR_EQ, kind, ir_constant(f, S_IFSOCK)), none);
    ir_value socket = read_kernel(l, file, must_offset(l, "file", "private_data", loc), 8);
    continue_if(l, socket, none);
    return read_kernel(l, socket, must_offset(l, "socket", "sk", loc), 8);
}

ir_value lower_fd2file(struct lower *l, const struct node *node) { return descriptor(l, node, file_of); }
ir_value lower_fd2sock(struct lower *l, const struct node *node) { return descriptor(l, node, sock_of); }

/* ---- names of files ---------------------------------------------------------------------------------------------- */

enum { NAME_MOST = 255, PARTS_MOST = 256 };

/* What the rounds of the walk share, in scratch: the verifier knows nothing of what is there, so that each round is the
 * same to it. Behind it the text, of `room` bytes, and NAME_MOST more that nothing is left in. */
enum {
    AT_MOUNT = 0, /* struct path { vfsmount *mnt; dentry *dentry; } */
    AT_ENTRY = 8,
    AT_ROOT = 16, /* the same of the process: its root directory */
    AT_MOUNT_ROOT = 32,
    AT_POSITION = 40, /* where the text begins that there is; at first its end */
    AT_TEXT = 48,
};

struct walk {
    struct place memory;
    uint32_t room;
    struct loc loc;
};

static ir_value get(struct lower *l, const struct walk *walk, int32_t what) {
    return ir_load(l->f, 8, lower_scratch(l), walk->memory.offset + what);
}

static void set(struct lower *l, const struct walk *walk, int32_t what, ir_value value) {
    ir_store(l->f, 8, lower_scratch(l), walk->memory.offset + what, value);
}

static ir_value text_at(struct lower *l, const struct walk *walk, ir_value position) {
    ir_value text = ir_add_offset(l->f, lower_scratch(l), walk->memory.offset + AT_TEXT);
    return ir_binary(l->f, IR_ADD, text, position);
}

/* The position as a number that the verifier knows to be below the room; leaves for `end` when it is not. */
static ir_value position_of(struct lower *l, const struct walk *walk, ir_block end) {
    ir_value position = get(l, walk, AT_POSITION);
    continue_if(l, ir_binary(l->f, IR_ULT, position, ir_constant(l->f, walk->room)), end);
    return position;
}

/* Writes the `length` bytes (up to NAME_MOST) at `name` in front of the text; what has no room is cut at its front, and
 * then the walk ends. */
static void put_front(struct lower *l, const struct walk *walk, ir_value name, ir_value length, ir_block end) {
    struct ir_function *f = l->f;
    ir_value position = position_of(l, walk, end);
    length = ir_binary(f, IR_AND, length, ir_constant(f, NAME_MOST));
    ir_block start = f->current, fits = ir_block_new(f, start), cut = ir_block_new(f, start);
    ir_branch(f, ir_binary(f, IR_ULE, length, position), fits, cut);
    ir_enter(f, cut);
    ir_value part = ir_binary(f, IR_AND, position, ir_constant(f, NAME_MOST));
    ir_value rest = ir_binary(f, IR_ADD, name, ir_binary(f, IR_SUB, length, part));
    ir_calln(f, IR_HELPER_probe_read_kernel, text_at(l, walk, ir_constant(f, 0)), part, rest);
    set(l, walk, AT_POSITION, ir_constant(f, 0));
    ir_jump(f, end);
    ir_enter(f, fits);
    set(l, walk, AT_POSITION, ir_binary(f, IR_SUB, position, length));
    ir_value front = position_of(l, walk, end);
    ir_calln(f, IR_HELPER_probe_read_kernel, text_at(l, walk, front), length, name);
}

static void put_byte(struct lower *l, const struct walk *walk, ir_value byte, ir_block end) {
    struct ir_function *f = l->f;
    ir_value before = get(l, walk, AT_POSITION);
    continue_if(l, before, end);
    set(l, walk, AT_POSITION, ir_binary(f, IR_SUB, before, ir_constant(f, 1)));
    ir_value position = position_of(l, walk, end);
    ir_store(f, 1, text_at(l, walk, position), 0, byte);
}

static void put_text(struct lower *l, const struct walk *walk, const char *text, ir_block end) {
    for (size_t i = strlen(text); i-- > 0;)
        put_byte(l, walk, ir_constant(l->f, text[i]), end);
}

/* The struct vfsmount that paths point to is in the middle of a struct mount: fields may lie before it. */
static int64_t mount_field(struct lower *l, const char *field, struct loc loc) {
    return (int64_t)must_offset(l, "mount", field, loc) - (int64_t)must_offset(l, "mount", "mnt", loc);
}

/* Into another mount: entry and mount are those of its root from here on. */
static void enter_mount(struct lower *l, const struct walk *walk, ir_value mount, ir_value entry) {
    set(l, walk, AT_MOUNT, mount);
    set(l, walk, AT_ENTRY, entry);
    set(l, walk, AT_MOUNT_ROOT, read_kernel(l, mount, must_offset(l, "vfsmount", "mnt_root", walk->loc), 8));
}

/* One part of the name, from the last to the first:
 *     if (entry == root.dentry && mount == root.mnt) return 1;               the root of the process
 *     if (entry == mount->mnt_root) {
 *         if (mount->parent == mount) return 1;                              the root of all
 *         entry = mount->mountpoint; mount = mount->parent; return 0; }
 *     if (entry->d_parent == entry) return 1;
 *     put "/" + entry->d_name in front; entry = entry->d_parent; return 0 */
static struct ir_function *walk_body(struct lower *l, const struct walk *walk) {
    struct ir_function *f = l->f = ir_function_new(l->module, IR_CALLBACK, "path");
    struct loc loc = walk->loc;
    f->loc = loc;
    ir_block start = f->current, end = ir_block_new(f, start), go_on = ir_block_new(f, start);
    ir_block other = ir_block_new(f, start), mounted = ir_block_new(f, start), inside = ir_block_new(f, start);
    ir_value entry = get(l, walk, AT_ENTRY), mount = get(l, walk, AT_MOUNT);
    ir_value root = ir_binary(f, IR_AND, ir_binary(f, IR_EQ, entry, get(l, walk, AT_ROOT + AT_ENTRY)),
                              ir_binary(f, IR_EQ, mount, get(l, walk, AT_ROOT + AT_MOUNT)));
    ir_branch(f, root, end, other);
    ir_enter(f, other);
    ir_branch(f, ir_binary(f, IR_EQ, entry, get(l, walk, AT_MOUNT_ROOT)), mounted, inside);

    ir_enter(f, mounted);
    uint32_t whole = must_offset(l, "mount", "mnt", loc);
    ir_value parent_mount = read_kernel(l, mount, mount_field(l, "mnt_parent", loc), 8);
    ir_value above = ir_add_offset(f, parent_mount, whole);
    continue_if(l, ir_binary(f, IR_NE, above, mount), end);
    enter_mount(l, walk, above, read_kernel(l, mount, mount_field(l, "mnt_mountpoint", loc), 8));
    ir_jump(f, go_on);

    ir_enter(f, inside);
    ir_value parent = read_kernel(l, entry, must_offset(l, "dentry", "d_parent", loc), 8);
    continue_if(l, ir_binary(f, IR_NE, parent, entry), end);
    uint32_t name = must_offset(l, "dentry", "d_name", loc);
    ir_value length = read_kernel(l, entry, name + must_offset(l, "qstr", "len", loc), 4);
    ir_value text = read_kernel(l, entry, name + must_offset(l, "qstr", "name", loc), 8);
    put_front(l, walk, text, length, end);
    put_byte(l, walk, ir_constant(f, '/'), end);
    set(l, walk, AT_ENTRY, parent);
    ir_jump(f, go_on);

    ir_enter(f, go_on);
    ir_return(f, ir_constant(f, 0));
    ir_enter(f, end);
    ir_return(f, ir_constant(f, 1));
    return f;
}

/* "[123]" in front of the text. */
static void put_number(struct lower *l, const struct walk *walk, ir_value number, ir_block end) {
    struct ir_function *f = l->f;
    enum { DIGITS = 20 };
    ir_slot rest = lower_temp_slot(l, 8);
    lower_store_slot(l, rest, number);
    put_text(l, walk, "]", end);
    ir_block done = ir_block_new(f, f->current);
    for (int i = 0; i < DIGITS; i++) {
        ir_value n = lower_load_slot(l, rest), ten = ir_constant(f, 10);
        put_byte(l, walk, ir_binary(f, IR_ADD, ir_binary(f, IR_UMOD, n, ten), ir_constant(f, '0')), end);
        ir_value less = ir_binary(f, IR_UDIV, n, ten);
        lower_store_slot(l, rest, less);
        continue_if(l, less, done);
    }
    ir_jump(f, done);
    ir_enter(f, done);
    lower_release_slot(l, rest);
    put_text(l, walk, "[", end);
}

/* The first 8 bytes of a name as memory has them. */
static ir_value name_word(struct lower *l, const char *name) {
    int64_t word = 0;
    memcpy(&word, name, strnlen(name, 8));
    return ir_constant(l->f, word);
}

/* Files that lie in no directory, as the kernel shows them: "pipe:[123]", "socket:[123]", "anon_inode:[eventfd]",
 * "/memfd:name (deleted)". */
static void nameless(struct lower *l, const struct walk *walk, ir_value entry, ir_block end) {
    struct ir_function *f = l->f;
    struct loc loc = walk->loc;
    ir_value inode = read_kernel(l, entry, must_offset(l, "dentry", "d_inode", loc), 8);
    ir_value system = read_kernel(l, entry, must_offset(l, "dentry", "d_sb", loc), 8);
    ir_value type = read_kernel(l, system, must_offset(l, "super_block", "s_type", loc), 8);
    ir_value type_name = read_kernel(l, type, must_offset(l, "file_system_type", "name", loc), 8);
    ir_value word = read_kernel(l, type_name, 0, 8);
    uint32_t name = must_offset(l, "dentry", "d_name", loc);
    ir_value length = read_kernel(l, entry, name + must_offset(l, "qstr", "len", loc), 4);
    ir_value text = read_kernel(l, entry, name + must_offset(l, "qstr", "name", loc), 8);
    /* 7 bytes of the short names count: behind the NUL stands something else */
    ir_value head = ir_binary(f, IR_AND, word, ir_constant(f, 0xffffffffffffff));
    static const struct { const char *type, *prefix; } kinds[] = {{"pipefs", "pipe:"}, {"sockfs", "socket:"}};
    for (int i = 0; i < 2; i++) {
        ir_block is = ir_block_new(f, f->current), next = ir_block_new(f, f->current);
        ir_branch(f, ir_binary(f, IR_EQ, head, name_word(l, kinds[i].type)), is, next);
        ir_enter(f, is);
        put_number(l, walk, read_kernel(l, inode, must_offset(l, "inode", "i_ino", loc), 8), end);
        put_text(l, walk, kinds[i].prefix, end);
        ir_jump(f, end);
        ir_enter(f, next);
    }
    ir_block anonymous = ir_block_new(f, f->current), other = ir_block_new(f, f->current);
    ir_branch(f, ir_binary(f, IR_EQ, word, name_word(l, "anon_inode")), anonymous, other);
    ir_enter(f, anonymous);
    put_front(l, walk, text, length, end);
    put_text(l, walk, "anon_inode:", end);
    ir_jump(f, end);
    ir_enter(f, other);
    put_text(l, walk, " (deleted)", end);
    put_front(l, walk, text, length, end);
    put_text(l, walk, "/", end);
    ir_jump(f, end);
}

/* The argument, a struct path in memory or the address of one: its two pointers as they lie there. */
static void read_path(struct lower *l, const struct walk *walk, const struct node *path) {
    struct node object = *path, behind = {.kind = NODE_UNARY, .op = OP_DEREFERENCE, .loc = path->loc};
    object.next = NULL;
    behind.child = &object;
    behind.type = path->type->kind == TYPE_POINTER ? path->type->target : path->type;
    lower_into(l, path->type->kind == TYPE_POINTER ? &behind : &object, behind.type, walk->memory, false);
}

static void read_root(struct lower *l, const struct walk *walk) {
    struct loc loc = walk->loc;
    struct ir_function *f = l->f;
    ir_value task = ir_call0(f, IR_HELPER_get_current_task_btf);
    ir_value fs = ir_byte_swap(f, ir_load(f, 8, task, (int32_t)must_offset(l, "task_struct", "fs", loc)), 8);
    fs = ir_byte_swap(f, fs, 8);
    uint32_t root = must_offset(l, "fs_struct", "root", loc);
    set(l, walk, AT_ROOT + AT_MOUNT, read_kernel(l, fs, root + must_offset(l, "path", "mnt", loc), 8));
    set(l, walk, AT_ROOT + AT_ENTRY, read_kernel(l, fs, root + must_offset(l, "path", "dentry", loc), 8));
}

/*     if (entry has no directory) name it by its kind;
 *     else { if (unlinked) put " (deleted)"; loop(walk_body); if (nothing) put "/"; }
 *     copy the text from its position on */
void lower_path_into(struct lower *l, const struct node *node, const struct type *type, struct place to) {
    struct ir_function *f = l->f;
    struct loc loc = node->loc;
    uint32_t room = node->type->size < type->size ? node->type->size : type->size;
    struct walk walk = {.room = room, .loc = loc};
    walk.memory = lower_scratch_temp(l, AT_TEXT + room + NAME_MOST + 1);
    lower_zero(l, to, type->size);
    read_path(l, &walk, node->child);
    read_root(l, &walk);
    ir_value entry = get(l, &walk, AT_ENTRY);
    enter_mount(l, &walk, get(l, &walk, AT_MOUNT), entry);
    set(l, &walk, AT_POSITION, ir_constant(f, room - 1));
    ir_store(f, 1, lower_scratch(l), walk.memory.offset + AT_TEXT + (int32_t)room - 1, ir_constant(f, 0));

    ir_block start = f->current, end = ir_block_new(f, start), done = ir_block_new(f, start);
    ir_block alone = ir_block_new(f, start), named = ir_block_new(f, start), finish = ir_block_new(f, start);
    continue_if(l, entry, done);
    ir_value parent = read_kernel(l, entry, must_offset(l, "dentry", "d_parent", loc), 8);
    ir_value is_alone = ir_binary(f, IR_AND, ir_binary(f, IR_EQ, parent, entry),
                                  ir_binary(f, IR_NE, entry, get(l, &walk, AT_MOUNT_ROOT)));
    ir_branch(f, is_alone, alone, named);
    ir_enter(f, alone);
    nameless(l, &walk, entry, finish);

    ir_enter(f, named);
    uint32_t hash = must_offset(l, "dentry", "d_hash", loc) + must_offset(l, "hlist_bl_node", "pprev", loc);
    ir_value hashed = read_kernel(l, entry, hash, 8);
    ir_block unlinked = ir_block_new(f, f->current), linked = ir_block_new(f, f->current);
    ir_value gone =
        ir_binary(f, IR_AND, ir_binary(f, IR_EQ, hashed, ir_constant(f, 0)), ir_binary(f, IR_NE, parent, entry));
    ir_branch(f, gone, unlinked, linked);
    ir_enter(f, unlinked);
    put_text(l, &walk, " (deleted)", finish);
    ir_jump(f, linked);
    ir_enter(f, linked);
    struct ir_function *body = walk_body(l, &walk);
    l->f = f;
    ir_calln(f, IR_HELPER_loop, ir_constant(f, PARTS_MOST), ir_function_address(f, body), ir_frame(f),
             ir_constant(f, 0));
    ir_value nothing = ir_binary(f, IR_EQ, get(l, &walk, AT_POSITION), ir_constant(f, room - 1));
    ir_branch(f, nothing, end, finish);
    ir_enter(f, end);
    put_text(l, &walk, "/", finish);
    ir_jump(f, finish);

    ir_enter(f, finish);
    ir_value position = position_of(l, &walk, done);
    ir_calln(f, IR_HELPER_probe_read_kernel_str, place_address(l, to), ir_constant(f, room),
             text_at(l, &walk, position));
    ir_jump(f, done);
    ir_enter(f, done);
}
