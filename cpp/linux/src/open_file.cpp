#include <cerrno>
#include <cstring>

#include "bottomhalf/linux/files.hpp"
#include "bottomhalf/linux/loader.hpp"
#include "file_registry.hpp"
#include "layout_probe.hpp"
#include "module_record.hpp"

namespace bottomhalf::linux_api {

namespace {

constexpr unsigned kRead = 1, kWrite = 2;
constexpr unsigned kAlwaysPolled = 0x018;  // EPOLLERR, EPOLLHUP
constexpr unsigned kReady = 0x145;         // EPOLLIN, EPOLLOUT and their NORM forms

// The queues that a poll is to be woken by.
class Poller {
public:
    explicit Poller(Task& self) : self_(self), table_{this} {}
    ~Poller() {
        for (auto& e : entries_) e->queue->leave(e->entry);
    }
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;
    PollTable* table() { return &table_; }
    void add(WaitQueue& queue) {
        entries_.push_back(std::make_unique<Watched>(Watched{&queue, {&self_, {}, false, true, WaitQueue::kAnyMode}}));
        queue.enlist(entries_.back()->entry);
    }

private:
    struct Watched {
        WaitQueue* queue;
        WaitQueue::Entry entry;
    };
    Task& self_;
    PollTable table_;
    std::vector<std::unique_ptr<Watched>> entries_;
};

class Opened final : public OpenFile {
public:
    Opened(Domain& domain, std::shared_ptr<Opening> opening, unsigned flags)
        : domain_(domain), opening_(std::move(opening)), file_(opening_->file) {
        Opening& o = *opening_;
        const std::size_t slash = o.path.rfind('/');
        o.dentry.name = o.path.c_str() + (slash != std::string::npos ? slash + 1 : 0);
        o.dentry.length = static_cast<std::uint32_t>(std::strlen(o.dentry.name));
        o.dentry.short_name[std::string(o.dentry.name).copy(o.dentry.short_name, sizeof o.dentry.short_name - 1)] =
            '\0';
        o.dentry.inode = &o.inode;
        file_.ops = &o.ops;
        file_.flags = flags;
        file_.mode = (flags & 3) == 0 ? kRead : (flags & 3) == 1 ? kWrite : kRead | kWrite;
        file_.inode = &o.inode;
        file_.dentry = &o.dentry;
        const FileCall call(*o.use);
        if (!call) fail(ENOENT, "open");
        CurrentScope scope(domain_.self());
        if (o.ops.open != nullptr) check(o.ops.open(&o.inode, &file_), "open");
        o.use->add(opening_);
        Files::of(domain_).opened(opening_);
        open_ = true;
    }
    ~Opened() override {
        try {
            close();
        } catch (const std::exception& e) {
            log(domain_, LogLevel::err,
                std::string("release() of ") + name() + " ended with an exception: " + e.what());
        } catch (const MachineExit&) {
        }
    }

    std::size_t read(void* buffer, std::size_t size) override {
        const FileCall call = enter(kRead);
        CurrentScope scope(domain_.self());
        if (file_.ops->read == nullptr) fail(EINVAL, "read");
        return static_cast<std::size_t>(
            check(file_.ops->read(&file_, static_cast<char*>(buffer), size, &file_.pos), "read"));
    }
    std::size_t write(const void* data, std::size_t size) override {
        const FileCall call = enter(kWrite);
        CurrentScope scope(domain_.self());
        if (file_.ops->write == nullptr) fail(EINVAL, "write");
        return static_cast<std::size_t>(
            check(file_.ops->write(&file_, static_cast<const char*>(data), size, &file_.pos), "write"));
    }
    std::int64_t seek(std::int64_t offset, int whence) override {
        const FileCall call = enter(0);
        CurrentScope scope(domain_.self());
        if (file_.ops->llseek == nullptr) fail(ESPIPE, "lseek");
        return check(file_.ops->llseek(&file_, offset, whence), "lseek");
    }
    long ioctl(unsigned command, unsigned long argument) override {
        const FileCall call = enter(0);
        CurrentScope scope(domain_.self());
        if (file_.ops->unlocked_ioctl == nullptr) fail(ENOTTY, "ioctl");
        const long result = file_.ops->unlocked_ioctl(&file_, command, argument);
        return check(result == -515 ? -ENOTTY : result, "ioctl");
    }
    unsigned poll(unsigned events, Nanoseconds deadline) override {
        const FileCall call = enter(0);
        Task& self = domain_.self();
        CurrentScope scope(self);
        if (file_.ops->poll == nullptr) return kReady & events;
        Poller poller(self);
        PollTable again{nullptr};
        for (bool first = true;; first = false) {
            const unsigned mask = file_.ops->poll(&file_, first ? poller.table() : &again);
            if ((mask & (events | kAlwaysPolled)) != 0) return mask & (events | kAlwaysPolled);
            if (deadline <= domain_.now()) return 0;
            if (task_sleep(self, deadline, "poll") == Wake::interrupted)
                throw Interrupted("poll: interrupted by a signal");
        }
    }
    void close() override {
        if (!open_) return;
        open_ = false;
        Opening& o = *opening_;
        if (!o.use->begin_close(o)) return;
        struct Leave {
            Opening& opening;
            ~Leave() {
                opening.use->leave();
                opening.let_go();
            }
        } leave{o};
        CurrentScope scope(domain_.self());
        if (file_.ops->release != nullptr) file_.ops->release(&o.inode, &file_);
    }
    bool closed() const noexcept override { return !open_; }

private:
    const std::string& name() const { return opening_->path; }
    [[noreturn]] void fail(int number, const char* call) const {
        throw FileError(number, std::string(call) + " " + name() + ": " + std::strerror(number));
    }
    template <class T>
    T check(T result, const char* call) const {
        if (result < 0) fail(result <= -512 ? EINTR : static_cast<int>(-result), call);
        return result;
    }
    FileCall enter(unsigned wanted) {
        if (!open_) fail(EBADF, "use of closed file");
        if ((file_.mode & wanted) != wanted) fail(EBADF, wanted == kRead ? "read" : "write");
        return FileCall(*opening_->use,
                        [this] { throw FileError(EIO, name() + ": its module has taken it away, or is unloaded"); });
    }

    Domain& domain_;
    const std::shared_ptr<Opening> opening_;
    File& file_;
    bool open_ = false;
};

// A file of one value, which a function shows and another takes.
struct Value {
    static Node& node(File* file) { return *static_cast<Node*>(file->private_data); }
    static std::ptrdiff_t read(File* file, char* buffer, std::size_t size, std::int64_t* pos) {
        const std::string text = node(file).text();
        if (*pos >= static_cast<std::int64_t>(text.size())) return 0;
        const std::size_t n = text.copy(buffer, size, static_cast<std::size_t>(*pos));
        *pos += static_cast<std::int64_t>(n);
        return static_cast<std::ptrdiff_t>(n);
    }
    static std::ptrdiff_t write(File* file, const char* data, std::size_t size, std::int64_t*) {
        if (!node(file).set_text) return -EACCES;
        const int error = node(file).set_text(std::string(data, size));
        return error != 0 ? error : static_cast<std::ptrdiff_t>(size);
    }
    static int open(Inode* inode, File* file) {
        file->private_data = inode->priv;
        return 0;
    }
};

}  // namespace

std::vector<FileEntry> list_files(Domain& domain) {
    std::vector<FileEntry> entries;
    for (const auto& node : Files::of(domain).all()) entries.push_back({node->path, node->mode, node->directory});
    return entries;
}

std::unique_ptr<OpenFile> open_file(Domain& domain, const std::string& path, unsigned flags) {
    domain.require_alive();
    Files& files = Files::of(domain);
    auto node = files.find(path);
    std::int64_t dev = node != nullptr ? node->dev : -1;
    if (node == nullptr && path.starts_with("/dev/")) dev = files.region_named(path.substr(5));
    if (node == nullptr && dev < 0)
        throw FileError(ENOENT, "open " + path + ": no module of machine '" + domain.name + "' offers this file");
    if (node != nullptr && node->directory) throw FileError(EISDIR, "open " + path + ": it is a directory");
    auto opening = std::make_shared<Opening>();
    opening->path = path;
    opening->node = node;
    if (node != nullptr) {
        opening->inode.mode = static_cast<unsigned short>(node->mode);
        opening->inode.priv = node->data;
    }
    if (dev >= 0) {
        opening->inode.rdev = static_cast<std::uint32_t>(dev);
        opening->use = std::make_shared<FileUse>();
        if (!files.open_device(static_cast<std::uint32_t>(dev), *opening))
            throw FileError(ENXIO, "open " + path + ": nobody serves its device number " +
                                       std::to_string(dev >> kMinorBits) + ":" +
                                       std::to_string(dev & ((1 << kMinorBits) - 1)) +
                                       "; a module does so from cdev_add() to cdev_del()");
    } else {
        opening->use = node->use;
        opening->code = node->code;
        const FileCall call(*node->use);  // it stays while its module is asked for
        if (!call || !get_module(node->ops.owner))
            throw FileError(ENOENT, "open " + path + ": its module is taking it away");
        opening->owner.store(node->ops.owner);
        if (const auto module = modules::module_at(node->code)) opening->image = module->image();
        opening->ops = node->ops;
        if (node->text) {
            opening->ops.open = Value::open;
            opening->ops.read = Value::read;
            opening->ops.write = Value::write;
        }
    }
    return std::make_unique<Opened>(domain, std::move(opening), flags);
}

extern "C" {

void bh_linux_poll_wait(File*, WaitQueue* queue, PollTable* table) {
    if (table != nullptr && table->poller != nullptr && queue != nullptr)
        static_cast<Poller*>(table->poller)->add(usable(queue, "poll_wait"));
}
char* bh_linux_file_path(File* file, char* buffer, int size) {
    const std::string& path = container_of(file, &Opening::file)->path;
    const auto room = static_cast<std::size_t>(std::max(size, 0));
    if (path.size() + 1 > room) return reinterpret_cast<char*>(static_cast<std::intptr_t>(-ENAMETOOLONG));
    return static_cast<char*>(std::memcpy(buffer + room - path.size() - 1, path.c_str(), path.size() + 1));
}
int bh_linux_nonseekable_open(Inode*, File*) { return 0; }
int bh_linux_simple_open(Inode* inode, File* file) {
    if (inode->priv != nullptr) file->private_data = inode->priv;
    return 0;
}
std::int64_t bh_linux_noop_llseek(File* file, std::int64_t, int) { return file->pos; }
std::int64_t bh_linux_fixed_size_llseek(File* file, std::int64_t offset, int whence, std::int64_t size) {
    const std::int64_t base = whence == 0 ? 0 : whence == 1 ? file->pos : size;
    std::int64_t to = 0;
    if (whence < 0 || whence > 2 || __builtin_add_overflow(base, offset, &to) || to < 0 || to > size) return -EINVAL;
    return file->pos = to;
}
std::int64_t bh_linux_default_llseek(File* file, std::int64_t offset, int whence) {
    return bh_linux_fixed_size_llseek(file, offset, whence == 2 ? -1 : whence, INT64_MAX);
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
