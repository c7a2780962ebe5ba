// Open files, and entries that are taken away under them (Linux: use_pde(), proc_entry_rundown(), fops_get()).
//
// Every call of a module's functions for a file is counted in a FileUse: an entry that goes waits for those that have
// begun, lets none begin any more, and closes what is still open of it. A device's open file has a FileUse of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bottomhalf/base/raw_lock.hpp"
#include "bottomhalf/linux/image.hpp"
#include "bottomhalf/sync/wait_queue.hpp"
#include "file_structs.hpp"

namespace bottomhalf::linux_api {

struct Opening;

// Thread safety: every member may be called from any task. Fields: L: under lock_.
class FileUse {
public:
    // A call begins; false: the entry is gone.
    bool enter() noexcept;
    void leave() noexcept;
    unsigned calls() noexcept;

    // It was opened, in a call that still runs.
    void add(std::shared_ptr<Opening> opening);
    // Its close() begins, as a call; false: whoever took the entry away has closed it.
    bool begin_close(const Opening& opening) noexcept;

    bool open(const Opening& opening) noexcept;

    // No call begins any more.
    void retire() noexcept;
    // Until the calls that have begun have returned. CONTEXT: any while there are none, else a task that may sleep.
    void wait(Task& self);
    // What is open, now the caller's to close.
    std::vector<std::shared_ptr<Opening>> take_openings() noexcept;

private:
    RawLock lock_;
    unsigned calls_ = 0;                              // L
    bool gone_ = false;                               // L
    std::vector<std::shared_ptr<Opening>> openings_;  // L
    WaitQueue idle_;
};

// A call of a module's function for a file.
class FileCall {
public:
    explicit FileCall(FileUse& use) : use_(use.enter() ? &use : nullptr) {}
    // What is to be done where the entry is gone: it must throw.
    template <class F>
    FileCall(FileUse& use, F&& gone) : FileCall(use) {
        if (use_ == nullptr) gone();
    }
    ~FileCall() {
        if (use_ != nullptr) use_->leave();
    }
    FileCall(const FileCall&) = delete;
    FileCall& operator=(const FileCall&) = delete;
    explicit operator bool() const noexcept { return use_ != nullptr; }

private:
    FileUse* use_;
};

// What an open file is to the module's functions. Fields: I but for what is marked A, and what those functions change.
struct Opening {
    ~Opening() { let_go(); }
    // Linux: module_put() of the owner.
    void let_go() noexcept;

    std::string path;
    std::shared_ptr<FileUse> use;
    std::shared_ptr<void> node;                   // the entry's, if there is one
    std::shared_ptr<modules::ModuleImage> image;  // stays mapped as long as this; null: of no loaded module
    const void* code = nullptr;                   // a function or an object of the module
    Atomic<struct ::module*> owner{nullptr};      // A: it cannot be unloaded; null: nobody
    FileOps ops{};
    Inode inode{};
    File file{};
    Dentry dentry{};
};

}  // namespace bottomhalf::linux_api
