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
    Opened(Domain& domain, std::shared_ptr<Node> node, const FileOps& ops, Cdev* cdev, std::int64_t dev, unsigned flags)
        : domain_(domain), node_(std::move(node)), ops_(ops) {
        inode_.mode = static_cast<unsigned short>(node_ != nullptr ? node_->mode : 0);
        inode_.priv = node_ != nullptr ? node_->data : nullptr;
        inode_.rdev = dev >= 0 ? static_cast<std::uint32_t>(dev) : 0;
        inode_.cdev = cdev;
        file_.ops = &ops_;
        file_.flags = flags;
        file_.mode = (flags & 3) == 0 ? kRead : (flags & 3) == 1 ? kWrite : kRead | kWrite;
        file_.inode = &inode_;
        find_owner(cdev);
        CurrentScope scope(domain_.self());
        users(1);
        try {
            if (ops_.open != nullptr) check(ops_.open(&inode_, &file_), "open");
        } catch (...) {
            users(-1);
            throw;
        }
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
        CurrentScope scope(enter(kRead));
        if (file_.ops->read == nullptr) fail(EINVAL, "read");
        return static_cast<std::size_t>(
            check(file_.ops->read(&file_, static_cast<char*>(buffer), size, &file_.pos), "read"));
    }
    std::size_t write(const void* data, std::size_t size) override {
        CurrentScope scope(enter(kWrite));
        if (file_.ops->write == nullptr) fail(EINVAL, "write");
        return static_cast<std::size_t>(
            check(file_.ops->write(&file_, static_cast<const char*>(data), size, &file_.pos), "write"));
    }
    std::int64_t seek(std::int64_t offset, int whence) override {
        CurrentScope scope(enter(0));
        if (file_.ops->llseek == nullptr) fail(ESPIPE, "lseek");
        return check(file_.ops->llseek(&file_, offset, whence), "lseek");
    }
    long ioctl(unsigned command, unsigned long argument) override {
        CurrentScope scope(enter(0));
        if (file_.ops->unlocked_ioctl == nullptr) fail(ENOTTY, "ioctl");
        const long result = file_.ops->unlocked_ioctl(&file_, command, argument);
        return check(result == -515 ? -ENOTTY : result, "ioctl");
    }
    unsigned poll(unsigned events, Nanoseconds deadline) override {
        Task& self = enter(0);
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
        CurrentScope scope(domain_.self());
        struct Leave {
            Opened& file;
            ~Leave() { file.users(-1); }
        } leave{*this};
        if (file_.ops->release != nullptr) file_.ops->release(&inode_, &file_);
    }
    bool closed() const noexcept override { return !open_; }

private:
    std::string name() const { return node_ != nullptr ? node_->path : "device"; }
    [[noreturn]] void fail(int number, const char* call) const {
        throw FileError(number, std::string(call) + " " + name() + ": " + std::strerror(number));
    }
    template <class T>
    T check(T result, const char* call) const {
        if (result < 0) fail(result <= -512 ? EINTR : static_cast<int>(-result), call);
        return result;
    }
    Task& enter(unsigned wanted) {
        if (!open_) fail(EBADF, "use of closed file");
        if ((file_.mode & wanted) != wanted) fail(EBADF, wanted == kRead ? "read" : "write");
        return domain_.self();
    }
    // Whose code it is, also where the module does not say: /proc has no field for it.
    void find_owner(const Cdev* cdev) {
        const void* code = cdev != nullptr ? cdev->ops : node_->code;
        if (const auto module = modules::module_at(code)) image_ = module->image();
        owner_ = ops_.owner == nullptr && image_ != nullptr ? image_->info().self : ops_.owner;
    }
    void users(int change) noexcept {
        if (owner_ != nullptr) __atomic_fetch_add(&owner_->users, change, __ATOMIC_SEQ_CST);
    }

    Domain& domain_;
    const std::shared_ptr<Node> node_;
    const FileOps ops_;
    std::shared_ptr<modules::ModuleImage> image_;  // stays mapped until the file is gone; null: of no loaded module
    struct module* owner_ = nullptr;
    Inode inode_{};
    File file_{};
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
    Cdev* cdev = nullptr;
    if (dev >= 0) {
        cdev = files.cdev_of(static_cast<std::uint32_t>(dev));
        if (cdev == nullptr) throw FileError(ENXIO, "open " + path + ": nobody serves this device number");
        return std::make_unique<Opened>(domain, node, *cdev->ops, cdev, dev, flags);
    }
    if (node->text) {
        FileOps ops{};
        ops.open = Value::open;
        ops.read = Value::read;
        ops.write = Value::write;
        return std::make_unique<Opened>(domain, node, ops, nullptr, -1, flags);
    }
    return std::make_unique<Opened>(domain, node, node->ops, nullptr, -1, flags);
}

extern "C" {

void bh_linux_poll_wait(File*, WaitQueue* queue, PollTable* table) {
    if (table != nullptr && table->poller != nullptr && queue != nullptr)
        static_cast<Poller*>(table->poller)->add(usable(queue, "poll_wait"));
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
