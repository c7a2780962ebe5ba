// <linux/proc_fs.h> and <linux/debugfs.h>: entries of /proc and /sys/kernel/debug.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "seq_file.hpp"

namespace bottomhalf::linux_api {

namespace {

struct ProcOps {  // struct proc_ops
    unsigned flags;
    int (*open)(Inode*, File*);
    std::ptrdiff_t (*read)(File*, char*, std::size_t, std::int64_t*);
    std::ptrdiff_t (*write)(File*, const char*, std::size_t, std::int64_t*);
    std::int64_t (*lseek)(File*, std::int64_t, int);
    int (*release)(Inode*, File*);
    unsigned (*poll)(File*, PollTable*);
    long (*ioctl)(File*, unsigned, unsigned long);
};
// What proc_create_single and proc_create_seq keep of an entry.
struct Shown {
    int (*show)(SeqFile*, void*);
    const SeqOps* op;
    unsigned size;
    void* data;
};

struct Blob {  // struct debugfs_blob_wrapper
    const void* data;
    unsigned long size;
};

Files& files() { return Files::of(here()); }

std::string below(const char* root, const void* parent, const char* name) {
    const std::string path = parent != nullptr ? files().path_of(parent) : "";
    return (path.empty() ? root : path) + "/" + name;
}

Node* add(Node node) {
    const std::string path = node.path;
    Node* added = files().add(std::move(node));
    if (added == nullptr) warn(here(), "proc_register", "proc_dir_entry '" + path + "' already registered");
    return added;
}
// debugfs has error pointers, which its other functions take for a parent that is not there.
Node* add_debug(Node node) {
    const std::string path = node.path;
    if (Node* added = files().add(std::move(node))) return added;
    log(here(), LogLevel::err, "debugfs: '" + path + "' already present!");
    return reinterpret_cast<Node*>(static_cast<std::intptr_t>(-EEXIST));
}

int open_shown(Inode* inode, File* file) {
    const auto* shown = static_cast<const Shown*>(inode->priv);
    if (shown->show != nullptr) return bh_linux_single_open(file, shown->show, shown->data);
    bh_linux_seq_open(file, shown->op);
    auto* m = static_cast<SeqFile*>(file->private_data);
    m->priv = shown->size != 0 ? std::calloc(1, shown->size) : shown->data;
    return 0;
}
int release_shown(Inode* inode, File* file) {
    const auto* shown = static_cast<const Shown*>(inode->priv);
    if (shown->show != nullptr) return bh_linux_single_release(inode, file);
    if (shown->size != 0) std::free(static_cast<SeqFile*>(file->private_data)->priv);
    return bh_linux_seq_release(inode, file);
}

Node* add_shown(const char* name, unsigned mode, void* parent, Shown what) {
    auto keep = std::make_shared<Shown>(what);
    Node node;
    node.path = below("/proc", parent, name);
    node.mode = mode != 0 ? mode : 0444;
    node.code = what.show != nullptr ? reinterpret_cast<const void*>(what.show) : what.op;
    node.ops.open = open_shown;
    node.ops.read = bh_linux_seq_read;
    node.ops.llseek = bh_linux_seq_lseek;
    node.ops.release = release_shown;
    node.data = keep.get();
    node.keep = keep;
    return add(std::move(node));
}

Node directory(const char* root, const char* name, void* parent, const void* caller) {
    Node node;
    node.code = caller;  // whose module it is
    node.path = below(root, parent, name);
    node.mode = 0555;
    node.directory = true;
    return node;
}

void remove_entry(const void* entry) {
    const std::string path = files().path_of(entry);
    if (!path.empty()) files().remove(path);
}

enum Kind { kDecimal, kHex, kBool, kSigned };

}  // namespace

extern "C" {

Node* bh_linux_proc_create_data(const char* name, unsigned short mode, void* parent, const ProcOps* ops, void* data) {
    Node node;
    node.path = below("/proc", parent, name);
    node.mode = mode != 0 ? mode : 0444u;
    node.code = ops;
    node.ops.open = ops->open;
    node.ops.read = ops->read;
    node.ops.write = ops->write;
    node.ops.llseek = ops->lseek;
    node.ops.release = ops->release;
    node.ops.poll = ops->poll;
    node.ops.unlocked_ioctl = ops->ioctl;
    node.data = data;
    return add(std::move(node));
}
Node* bh_linux_proc_create_single_data(const char* name, unsigned short mode, void* parent,
                                       int (*show)(SeqFile*, void*), void* data) {
    return add_shown(name, mode, parent, {show, nullptr, 0, data});
}
Node* bh_linux_proc_create_seq_private(const char* name, unsigned short mode, void* parent, const SeqOps* op,
                                       unsigned size, void* data) {
    return add_shown(name, mode, parent, {nullptr, op, size, data});
}
Node* bh_linux_proc_mkdir(const char* name, void* parent) {
    return add(directory("/proc", name, parent, __builtin_return_address(0)));
}
void bh_linux_remove_proc_entry(const char* name, void* parent) {
    if (!files().remove(below("/proc", parent, name)))
        warn(here(), "remove_proc_entry", std::string("name '") + name + "'");
}
int bh_linux_remove_proc_subtree(const char* name, void* parent) {
    return files().remove(below("/proc", parent, name)) ? 0 : -ENOENT;
}
void bh_linux_proc_remove(void* entry) { remove_entry(entry); }
void bh_linux_proc_set_size(void*, std::int64_t) {}
void* bh_linux_pde_data(const Inode* inode) { return inode->priv; }

Node* bh_linux_debugfs_create_dir(const char* name, void* parent) {
    return add_debug(directory("/sys/kernel/debug", name, parent, __builtin_return_address(0)));
}
Node* bh_linux_debugfs_create_file(const char* name, unsigned short mode, void* parent, void* data,
                                   const FileOps* ops) {
    Node node;
    node.path = below("/sys/kernel/debug", parent, name);
    node.mode = mode;
    node.code = ops;
    node.ops = *ops;
    node.data = data;
    return add_debug(std::move(node));
}
void bh_linux_debugfs_number(const char* name, unsigned short mode, void* parent, void* value, unsigned size,
                             int kind) {
    Node node;
    node.path = below("/sys/kernel/debug", parent, name);
    node.mode = mode;
    node.code = value;
    node.text = [=]() -> std::string {
        std::uint64_t v = 0;
        std::memcpy(&v, value, size);
        char digits[32];
        if (kind == kBool) return v != 0 ? "Y\n" : "N\n";
        if (kind == kHex) {
            std::snprintf(digits, sizeof digits, "0x%0*llx\n", static_cast<int>(2 * size),
                          static_cast<unsigned long long>(v));
            return digits;
        }
        return (kind == kSigned ? std::to_string(static_cast<std::int32_t>(v)) : std::to_string(v)) + "\n";
    };
    node.set_text = [=](const std::string& text) {
        if (kind == kBool) {
            *static_cast<bool*>(value) = !text.empty() && std::strchr("1yYtT", text[0]) != nullptr;
            return 0;
        }
        char* end = nullptr;
        const std::uint64_t v = std::strtoull(text.c_str(), &end, 0);
        if (end == text.c_str()) return -EINVAL;
        std::memcpy(value, &v, size);
        return 0;
    };
    add_debug(std::move(node));
}
Node* bh_linux_debugfs_create_blob(const char* name, unsigned short mode, void* parent, const Blob* blob) {
    Node node;
    node.path = below("/sys/kernel/debug", parent, name);
    node.mode = mode & 0444u;
    node.code = blob;
    node.text = [blob] { return std::string(static_cast<const char*>(blob->data), blob->size); };
    return add(std::move(node));
}
Node* bh_linux_debugfs_lookup(const char* name, void* parent) {
    return files().find(below("/sys/kernel/debug", parent, name)).get();
}
void bh_linux_debugfs_remove(void* entry) { remove_entry(entry); }

}  // extern "C"

}  // namespace bottomhalf::linux_api
