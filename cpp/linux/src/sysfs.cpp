#include "sysfs.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>

namespace bottomhalf::linux_api {

namespace {

constexpr std::size_t kPageSize = 4096;

// The parents that Linux itself has; made when somebody asks for them.
struct Roots {
    explicit Roots(Domain&) {}
    struct Root {
        std::string path;
        Kobject kobject;
    };
    RawLock lock;
    std::deque<Root> roots;  // L
};

// An attribute's file, and one who has it open.
struct Entry {
    Kobject* kobject;
    const Attribute* attribute;
};
struct Reader {
    const Entry* entry;
    std::string text;  // as it was when reading began
};

int open_attribute(Inode* inode, File* file) {
    file->private_data = new Reader{static_cast<const Entry*>(inode->priv), {}};
    return 0;
}
int release_attribute(Inode*, File* file) {
    delete static_cast<Reader*>(file->private_data);
    return 0;
}
std::ptrdiff_t read_attribute(File* file, char* buffer, std::size_t size, std::int64_t* pos) {
    auto& reader = *static_cast<Reader*>(file->private_data);
    if (*pos == 0) {
        const Entry& entry = *reader.entry;
        const SysfsOps* ops = entry.kobject->type != nullptr ? entry.kobject->type->ops : nullptr;
        if (ops == nullptr || ops->show == nullptr) return -EIO;
        std::string page(kPageSize, '\0');
        const std::ptrdiff_t n = ops->show(entry.kobject, entry.attribute, page.data());
        if (n < 0) return n;
        page.resize(std::min(static_cast<std::size_t>(n), kPageSize - 1));
        reader.text = std::move(page);
    }
    if (*pos < 0 || *pos >= static_cast<std::int64_t>(reader.text.size())) return 0;
    const std::size_t n = reader.text.copy(buffer, size, static_cast<std::size_t>(*pos));
    *pos += static_cast<std::int64_t>(n);
    return static_cast<std::ptrdiff_t>(n);
}
std::ptrdiff_t write_attribute(File* file, const char* data, std::size_t size, std::int64_t*) {
    const Entry& entry = *static_cast<Reader*>(file->private_data)->entry;
    const SysfsOps* ops = entry.kobject->type != nullptr ? entry.kobject->type->ops : nullptr;
    if (ops == nullptr || ops->store == nullptr) return -EIO;
    const std::string text(data, std::min(size, kPageSize - 1));
    return ops->store(entry.kobject, entry.attribute, text.c_str(), text.size());
}

// What a plain kobject's attributes are: struct kobj_attribute.
struct PlainAttribute {
    Attribute attribute;
    std::ptrdiff_t (*show)(Kobject*, const PlainAttribute*, char*);
    std::ptrdiff_t (*store)(Kobject*, const PlainAttribute*, const char*, std::size_t);
};
const PlainAttribute& plain(const Attribute* attribute) {
    return *reinterpret_cast<const PlainAttribute*>(attribute);  // its first field
}
std::ptrdiff_t show_plain(Kobject* kobject, const Attribute* attribute, char* buffer) {
    const auto& a = plain(attribute);
    return a.show != nullptr ? a.show(kobject, &a, buffer) : -EIO;
}
std::ptrdiff_t store_plain(Kobject* kobject, const Attribute* attribute, const char* data, std::size_t size) {
    const auto& a = plain(attribute);
    return a.store != nullptr ? a.store(kobject, &a, data, size) : -EIO;
}
const SysfsOps plain_ops{show_plain, store_plain};
void free_kobject(Kobject* kobject) { std::free(kobject); }
const KobjectType dynamic_type{free_kobject, &plain_ops, nullptr};

Files& files() { return Files::of(here()); }
std::string directory_of(const Kobject& kobject, const char* group = nullptr) {
    std::string path = kobject.path != nullptr ? kobject.path : "/sys";
    if (group != nullptr) path += std::string("/") + group;
    return path;
}

int add_attribute(Kobject& kobject, const Attribute* attribute, unsigned mode, const char* group) {
    auto keep = std::make_shared<Entry>(Entry{&kobject, attribute});
    Node node;
    node.path = directory_of(kobject, group) + "/" + attribute->name;
    node.mode = mode;
    node.code = attribute;
    node.ops.open = open_attribute;
    node.ops.read = read_attribute;
    node.ops.write = write_attribute;
    node.ops.release = release_attribute;
    node.data = keep.get();
    node.keep = std::move(keep);
    const std::string path = node.path;
    if (files().add(std::move(node)) != nullptr) return 0;
    warn(here(), "sysfs_warn_dup", "sysfs: cannot create duplicate filename '" + path + "'");
    return -EEXIST;
}

int add_group(Kobject& kobject, const AttributeGroup& group) {
    for (int i = 0; group.attributes != nullptr && group.attributes[i] != nullptr; ++i) {
        const Attribute* attribute = group.attributes[i];
        const unsigned mode = group.is_visible != nullptr ? group.is_visible(&kobject, attribute, i) : attribute->mode;
        if (mode == 0) continue;
        if (const int error = add_attribute(kobject, attribute, mode, group.name); error != 0) return error;
    }
    return 0;
}

// caller: whose module it is.
int add_kobject(Kobject& kobject, Kobject* parent, const std::string& name, const void* caller) {
    Node node;
    node.path = (parent != nullptr ? directory_of(*parent) : "/sys") + "/" + name;
    node.mode = 0755;
    node.directory = true;
    node.code = caller;
    kobject.parent = parent;
    kobject.path = strdup(node.path.c_str());
    kobject.name = kobject.path + node.path.size() - name.size();
    if (files().add(std::move(node)) == nullptr) {
        warn(here(), "kobject_add_internal",
             "kobject_add_internal failed for " + name +
                 " with -EEXIST, don't try to register things with the same name in the same directory.");
        std::free(kobject.path);
        kobject.path = nullptr;
        return -EEXIST;
    }
    for (auto group = kobject.type != nullptr ? kobject.type->default_groups : nullptr;
         group != nullptr && *group != nullptr; ++group)
        if (const int error = add_group(kobject, **group); error != 0) return error;
    return 0;
}

void remove_directory(Kobject& kobject) {
    if (kobject.path == nullptr) return;
    files().remove(kobject.path);
    std::free(kobject.path);
    kobject.path = nullptr;
}

}  // namespace

extern "C" {

Kobject* bh_linux_sys_root(const char* path) {
    Roots& all = KernelSide::of(here()).part<Roots>();
    RawGuard guard(all.lock);
    for (auto& root : all.roots)
        if (root.path == path) return &root.kobject;
    Roots::Root& root = all.roots.emplace_back(Roots::Root{path, {}});
    root.kobject.path = root.path.data();
    root.kobject.name = root.path.c_str() + root.path.rfind('/') + 1;
    root.kobject.references = 1;
    root.kobject.type = &dynamic_type;
    return &root.kobject;
}

void bh_linux_kobject_init(Kobject* kobject, const KobjectType* type) {
    deref(kobject, "kobject_init") = {};
    kobject->type = type;
    kobject->references = 1;
}
int bh_linux_kobject_add(Kobject* kobject, Kobject* parent, const char* fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const std::string name = format(fmt, args);
    va_end(args);
    return add_kobject(deref(kobject, "kobject_add"), parent, name, __builtin_return_address(0));
}
int bh_linux_kobject_init_and_add(Kobject* kobject, const KobjectType* type, Kobject* parent, const char* fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const std::string name = format(fmt, args);
    va_end(args);
    bh_linux_kobject_init(kobject, type);
    return add_kobject(*kobject, parent, name, __builtin_return_address(0));
}
int bh_linux_kobject_set_name(Kobject* kobject, const char* fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const std::string name = format(fmt, args);
    va_end(args);
    deref(kobject, "kobject_set_name").name = KernelSide::of(here()).kept_name(name);
    return 0;
}
Kobject* bh_linux_kobject_create_and_add(const char* name, Kobject* parent) {
    auto* kobject = static_cast<Kobject*>(std::calloc(1, sizeof(Kobject)));
    if (kobject == nullptr) return nullptr;
    kobject->type = &dynamic_type;
    kobject->references = 1;
    if (add_kobject(*kobject, parent, name, __builtin_return_address(0)) == 0) return kobject;
    std::free(kobject);
    return nullptr;
}
Kobject* bh_linux_kobject_get(Kobject* kobject) {
    if (kobject != nullptr) __atomic_fetch_add(&kobject->references, 1, __ATOMIC_SEQ_CST);
    return kobject;
}
void bh_linux_kobject_del(Kobject* kobject) {
    if (kobject != nullptr) remove_directory(*kobject);
}
void bh_linux_kobject_put(Kobject* kobject) {
    if (kobject == nullptr || __atomic_sub_fetch(&kobject->references, 1, __ATOMIC_SEQ_CST) != 0) return;
    remove_directory(*kobject);
    if (kobject->type != nullptr && kobject->type->release != nullptr) kobject->type->release(kobject);
}

int bh_linux_sysfs_create_file(Kobject* kobject, const Attribute* attribute) {
    return add_attribute(deref(kobject, "sysfs_create_file"), attribute, attribute->mode, nullptr);
}
// One whose directory has gone before is no mistake.
void bh_linux_sysfs_remove_file(Kobject* kobject, const Attribute* attribute) {
    files().remove(directory_of(deref(kobject, "sysfs_remove_file")) + "/" + attribute->name);
}
int bh_linux_sysfs_create_group(Kobject* kobject, const AttributeGroup* group) {
    return add_group(deref(kobject, "sysfs_create_group"), *group);
}
void bh_linux_sysfs_remove_group(Kobject* kobject, const AttributeGroup* group) {
    for (auto attribute = group->attributes; attribute != nullptr && *attribute != nullptr; ++attribute)
        files().remove(directory_of(deref(kobject, "sysfs_remove_group"), group->name) + "/" + (*attribute)->name);
}

int bh_linux_sysfs_emit_at(char* buffer, int at, const char* fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const std::string text = format(fmt, args);
    va_end(args);
    if (at < 0 || at >= static_cast<int>(kPageSize)) return 0;
    const std::size_t n = text.copy(buffer + at, kPageSize - 1 - static_cast<std::size_t>(at));
    buffer[at + static_cast<int>(n)] = '\0';
    return static_cast<int>(n);
}
int bh_linux_sysfs_emit(char* buffer, const char* fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const std::string text = format(fmt, args);
    va_end(args);
    const std::size_t n = text.copy(buffer, kPageSize - 1);
    buffer[n] = '\0';
    return static_cast<int>(n);
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
