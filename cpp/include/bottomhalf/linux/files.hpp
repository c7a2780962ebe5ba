// Files that modules offer: /proc/NAME, /dev/NAME, /sys/kernel/debug/NAME. Each machine has its own.
//
// A file's functions run in the calling thread, as a task of the machine: they may sleep, and what they sleep for is
// seen. User space is the caller's memory. While a file is open its module counts one user more.
//
// Thread safety: the functions, any thread; one OpenFile, one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bottomhalf/sched/domain.hpp"

namespace bottomhalf::linux_api {

// What a call on a file returned: Linux's error number, positive, and its text.
class FileError : public Error {
public:
    FileError(int number, const std::string& what) : Error(what), number_(number) {}
    int number() const noexcept { return number_; }

private:
    int number_;
};

struct FileEntry {
    std::string path;
    unsigned mode = 0;  // permissions; 0 of a device node
    bool directory = false;
};

// Sorted by path.
std::vector<FileEntry> list_files(Domain& domain);

class OpenFile {
public:
    virtual ~OpenFile() = default;  // closes

    // Linux: read(2), write(2). How many bytes it was; 0: the end. CONTEXT: task that may sleep. Throws FileError.
    virtual std::size_t read(void* buffer, std::size_t size) = 0;
    virtual std::size_t write(const void* data, std::size_t size) = 0;
    // Linux: lseek(2). whence: 0 from the beginning, 1 from here, 2 from the end. The new position.
    virtual std::int64_t seek(std::int64_t offset, int whence) = 0;
    // Linux: ioctl(2). What the module returned, 0 or more.
    virtual long ioctl(unsigned command, unsigned long argument) = 0;
    // Linux: poll(2): waits until one of these events is there or the deadline has passed; EPOLLIN is 1, EPOLLOUT 4.
    // What is there of them, and errors; 0: nothing. A file without poll() is always ready.
    virtual unsigned poll(unsigned events, Nanoseconds deadline = kForever) = 0;
    // Linux: close(2). Idempotent.
    virtual void close() = 0;
    virtual bool closed() const noexcept = 0;
};

// Linux: open(2). flags: O_RDONLY 0, O_WRONLY 1, O_RDWR 2, O_NONBLOCK 04000, ... Throws FileError: ENOENT, what the
// module's open() returned.
std::unique_ptr<OpenFile> open_file(Domain& domain, const std::string& path, unsigned flags);

}  // namespace bottomhalf::linux_api
