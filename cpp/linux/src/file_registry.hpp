// The files of a machine, and the C structs that <linux/fs.h> and its neighbours give to modules.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "glue.hpp"
#include "kernel_side.hpp"

struct module;

namespace bottomhalf::linux_api {

// How a device number is put together, and the major number of miscellaneous devices.
inline constexpr unsigned kMinorBits = 20;
inline constexpr std::uint32_t kMiscMajor = 10;

struct File;
struct PollTable {
    void* poller;
};
struct Cdev;
struct Inode {  // struct inode
    unsigned short mode;
    std::uint32_t pad;
    std::uint32_t rdev;
    void* priv;
    Cdev* cdev;
    unsigned long number;
};
struct FileOps {  // struct file_operations
    struct module* owner;
    std::int64_t (*llseek)(File*, std::int64_t, int);
    std::ptrdiff_t (*read)(File*, char*, std::size_t, std::int64_t*);
    std::ptrdiff_t (*write)(File*, const char*, std::size_t, std::int64_t*);
    unsigned (*poll)(File*, PollTable*);
    long (*unlocked_ioctl)(File*, unsigned, unsigned long);
    long (*compat_ioctl)(File*, unsigned, unsigned long);
    int (*mmap)(File*, void*);
    int (*open)(Inode*, File*);
    int (*flush)(File*, void*);
    int (*release)(Inode*, File*);
    int (*fsync)(File*, std::int64_t, std::int64_t, int);
    int (*fasync)(int, File*, int);
};
struct File {  // struct file
    const FileOps* ops;
    void* private_data;
    unsigned flags, mode;
    std::int64_t pos;
    Inode* inode;
};
struct Cdev {  // struct cdev
    const FileOps* ops;
    struct module* owner;
    ListNode list;
    std::uint32_t dev;
    unsigned count;
    bool allocated;
};

// An entry of the tree. Fields: I.
struct Node {
    std::string path;
    unsigned mode = 0;
    bool directory = false;
    FileOps ops{};
    void* data = nullptr;                      // inode->i_private
    std::int64_t dev = -1;                     // of a device node
    const void* key = nullptr;                 // what it was registered with
    const void* code = nullptr;                // a function or an object of the module that offers it
    std::function<std::string()> text;         // a file of one value: what it shows
    std::function<int(std::string)> set_text;  // and takes
    std::shared_ptr<void> keep;                // what its functions need
};

// What a module still offers: for who unloads it.
struct OfferedFile {
    std::string what;              // "file '/proc/counter'"
    const char* missing;           // the call that takes it away
    std::function<void()> remove;  // CONTEXT: any
};

class Files {
public:
    explicit Files(Domain&) {}
    static Files& of(Domain& domain) { return KernelSide::of(domain).part<Files>(); }

    // Null when there is such an entry.
    Node* add(Node node);
    // With all that lies below it. False: there is none.
    bool remove(const std::string& path);
    std::string path_of(const void* entry);  // "" when it is none
    std::shared_ptr<Node> find(const std::string& path);
    std::vector<std::shared_ptr<Node>> all();
    // Those with something that holds() holds. It is called under the lock.
    std::vector<OfferedFile> of_module(const std::function<bool(const void*)>& holds);

    // Character devices: who has this number, and the numbers that are taken under a name.
    struct Region {
        std::uint32_t first;
        unsigned count;
        std::string name;
    };
    int claim(std::uint32_t first, unsigned count, const std::string& name);
    std::uint32_t free_major();
    void release(std::uint32_t first, unsigned count);
    void add_cdev(Cdev* cdev);
    void remove_cdev(Cdev* cdev);
    Cdev* cdev_of(std::uint32_t dev);
    // A device of that name that has no node: Linux's users make one by mknod.
    std::int64_t region_named(const std::string& name);

private:
    Cdev* cdev_of_locked(std::uint32_t dev) const;

    RawLock lock_;
    std::map<std::string, std::shared_ptr<Node>> nodes_;  // L
    std::vector<Region> regions_;                         // L
    std::vector<Cdev*> cdevs_;                            // L
};

}  // namespace bottomhalf::linux_api
