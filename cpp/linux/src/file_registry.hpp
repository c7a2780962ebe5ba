// The files of a machine, and the C structs that <linux/fs.h> and its neighbours give to modules.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "glue.hpp"
#include "kernel_side.hpp"
#include "opening.hpp"

namespace bottomhalf::linux_api {

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
    std::shared_ptr<FileUse> use = std::make_shared<FileUse>();
};

// What a module still offers: for who unloads it.
struct OfferedFile {
    std::string what;              // "file '/proc/counter'"
    const char* missing;           // the call that takes it away; null: that is not it
    bool running;                  // a call of its functions has not returned
    std::function<void()> remove;  // CONTEXT: any
};

class Files {
public:
    explicit Files(Domain&) {}
    static Files& of(Domain& domain) { return KernelSide::of(domain).part<Files>(); }

    // Null when there is such an entry.
    Node* add(Node node);
    // With all that lies below it: waits for the calls of its functions, and closes what is open of it (Linux:
    // proc_remove). False: there is none. CONTEXT: a task that may sleep when it is in use, else any.
    bool remove(const std::string& path);
    // The same for a module whose code runs no more: waits for nobody, closes nothing.
    void discard(const std::string& path);
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
    // The functions of whoever serves this number, and a reference to the module. False: nobody does.
    bool open_device(std::uint32_t dev, Opening& opening);
    void opened(const std::shared_ptr<Opening>& opening);
    // A device of that name that has no node, or one of several by the name and a number: Linux's users make those by
    // mknod. -1: there is none.
    std::int64_t region_named(const std::string& name);

private:
    Cdev* cdev_of_locked(std::uint32_t dev) const;
    std::vector<std::shared_ptr<Node>> take_out(const std::string& path);

    RawLock lock_;
    std::map<std::string, std::shared_ptr<Node>> nodes_;  // L
    std::vector<Region> regions_;                         // L
    std::vector<Cdev*> cdevs_;                            // L
    std::vector<std::weak_ptr<Opening>> openings_;        // L
};

}  // namespace bottomhalf::linux_api
