// The C structs that <linux/fs.h> and its neighbours give to modules, and how a device number is put together.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bottomhalf/base/list.hpp"

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
struct Dentry {  // struct dentry, with its struct qstr
    std::uint32_t hash, length;
    const char* name;
    Inode* inode;
    char short_name[40];
};
struct FileOps {  // struct file_operations
    struct ::module* owner;
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
    void (*read_iter)();  // nobody calls these
    void (*write_iter)();
    void (*get_unmapped_area)();
};
struct File {  // struct file
    const FileOps* ops;
    void* private_data;
    unsigned flags, mode;
    std::int64_t pos;
    Inode* inode;
    void* mount;  // struct path
    Dentry* dentry;
};
struct Kobject {  // struct kobject
    const char* name;
    Kobject* parent;
    const struct KobjectType* type;
    char* path;
    int references;
};
struct Cdev {  // struct cdev
    const FileOps* ops;
    struct ::module* owner;
    ListNode list;
    std::uint32_t dev;
    unsigned count;
    bool allocated;
    Kobject kobject;
};

}  // namespace bottomhalf::linux_api
