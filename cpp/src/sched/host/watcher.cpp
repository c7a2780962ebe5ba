// What the system tells about its threads: /proc/self/task/T/syscall, perf's switch records, CPU clocks.
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "bottomhalf/sched/host/factory.hpp"
#include "sched/host/pause.hpp"

namespace bottomhalf {

namespace {

Nanoseconds monotonic() noexcept {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<Nanoseconds>(t.tv_sec) * kSecond + t.tv_nsec;
}

int open_syscall_file(int tid) noexcept {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

// "running", or "NUMBER 0xARG ... 0xSP 0xPC" of the call it sleeps in (-1: in none, in a page fault for example).
Sight read_sight(int fd) noexcept {
    char text[192];
    const ssize_t n = pread(fd, text, sizeof text - 1, 0);
    Sight sight;
    if (n <= 0) return sight;
    text[n] = '\0';
    if (text[0] == 'r') {
        sight.state = Sight::State::running;
        return sight;
    }
    sight.state = Sight::State::blocked;
    char* end = nullptr;
    const long number = std::strtol(text, &end, 10);
    const auto argument = [&] { return static_cast<std::uintptr_t>(std::strtoull(end, &end, 16)); };
    if (number == SYS_futex) sight.word = argument();
    if (number == SYS_clock_nanosleep) {
        argument(), argument();
        // It polls: that is no sleep.
        if (argument() == reinterpret_cast<std::uintptr_t>(&kRelaxPause)) sight.state = Sight::State::running;
    }
    sight.mark = 14695981039346656037u;
    for (ssize_t i = 0; i < n; ++i) sight.mark = (sight.mark ^ static_cast<unsigned char>(text[i])) * 1099511628211u;
    return sight;
}

// The switches of one thread. They are not read: that there was one is all that matters, /proc tells what for.
//
// A record and the wake-up behind it take longer than the switch itself several times over. So after the first one the
// ring is full until somebody looks again: a thread that switches all the time pays once for each look. A switch that
// nobody hears of still costs more than one of a thread without records, so they are closed when all is quiet.
class SwitchRecords {
public:
    ~SwitchRecords() { close_all(); }

    // Records of a thread's switches, to be enabled: a file, or -1.
    static int open_event(int tid) noexcept {
        perf_event_attr attr{};
        attr.size = sizeof attr;
        attr.type = PERF_TYPE_SOFTWARE;
        attr.config = PERF_COUNT_SW_DUMMY;
        attr.context_switch = 1;
        attr.exclude_kernel = 1;
        attr.exclude_hv = 1;
        attr.disabled = 1;
        attr.watermark = 1;  // wakeup_events would count samples, and there are none
        attr.wakeup_watermark = 1;
        return static_cast<int>(syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC));
    }
    bool open(int tid) noexcept {
        fd_ = open_event(tid);
        if (fd_ < 0) return false;
        page_size_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        void* memory = mmap(nullptr, 2 * page_size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
        if (memory == MAP_FAILED) {
            close_all();
            return false;
        }
        ring_ = static_cast<perf_event_mmap_page*>(memory);
        leave_room(0);
        ioctl(fd_, PERF_EVENT_IOC_ENABLE, 0);
        return true;
    }
    void close_all() noexcept {
        const int error = errno;
        if (ring_ != nullptr) munmap(ring_, 2 * page_size_);
        if (fd_ >= 0) close(fd_);
        ring_ = nullptr;
        fd_ = -1;
        on_ = false;
        errno = error;
    }
    // The next switch is heard of.
    void listen() noexcept {
        if (ring_ == nullptr) return;
        on_ = true;
        heard_ = head();
        leave_room(kOneRecord);
    }
    void mute() noexcept {
        if (!on_) return;
        on_ = false;
        leave_room(0);
    }
    // Was there one since listen()?
    bool heard() const noexcept { return on_ && head() != heard_; }
    int fd() const noexcept { return fd_; }
    bool on() const noexcept { return on_; }

private:
    // A switch, and before it how many were lost while there was no room: three words. Without that, four switches.
    static constexpr std::size_t kOneRecord = sizeof(perf_event_header) + 3 * sizeof(std::uint64_t);

    std::uint64_t head() const noexcept { return __atomic_load_n(&ring_->data_head, __ATOMIC_ACQUIRE); }
    // As a reader does who is that far behind. The system keeps one byte free.
    void leave_room(std::size_t bytes) noexcept {
        __atomic_store_n(&ring_->data_tail, head() - (page_size_ - 1 - bytes), __ATOMIC_RELEASE);
    }

    int fd_ = -1;
    bool on_ = false;
    std::size_t page_size_ = 0;
    std::uint64_t heard_ = 0;
    perf_event_mmap_page* ring_ = nullptr;
};

class HostWatcher final : public Watcher {
public:
    explicit HostWatcher(Detection means) : means_(means) {
        if (means == Detection::switch_records) event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    ~HostWatcher() override {
        for (auto& slot : slots_) drop(slot);
        if (event_ >= 0) close(event_);
        if (anchor_ >= 0) close(anchor_);
    }

    Detection means() const noexcept override { return means_; }

    Sight look(int tid) noexcept override {
        Slot& slot = slot_of(tid);
        for (int attempt = 0; attempt < 2; ++attempt) {
            if (slot.file < 0) slot.file = open_syscall_file(tid);
            if (slot.file < 0) break;
            const Sight sight = read_sight(slot.file);
            if (sight.state != Sight::State::unknown) return sight;
            // The thread that the file was opened for is gone; its number may be another's by now.
            drop(slot);
            slot.tid = tid;
        }
        return {};
    }

    Nanoseconds cpu_time(int tid) noexcept override {
        // How the kernel numbers the CPU clock of a thread (the C library has it for its own handles only).
        const auto id = static_cast<clockid_t>(~static_cast<unsigned>(tid) << 3 | 6U);
        timespec t;
        if (clock_gettime(id, &t) != 0) return -1;
        return static_cast<Nanoseconds>(t.tv_sec) * kSecond + t.tv_nsec;
    }

    bool attach(int tid) noexcept override {
        if (means_ != Detection::switch_records) return false;
        Slot& slot = slot_of(tid);
        if (slot.records.fd() < 0 && !slot.records.open(tid)) return false;
        slot.records.listen();
        return true;
    }
    void mute_all() noexcept override {
        for (auto& slot : slots_) slot.records.mute();
    }
    void detach_all() noexcept override {
        for (auto& slot : slots_) slot.records.close_all();
    }

    bool wait(Nanoseconds duration) noexcept override {
        settle_in();
        std::uint32_t seen = kAwake;
        if (word_.compare_exchange(seen, kAsleep)) {
            if (event_ >= 0)
                poll_for(duration);
            else
                futex_for(duration);
        }
        word_.store(kAwake);
        const bool any = switched();
        // Whoever still runs an item is listened to again by the next look.
        for (auto& slot : slots_)
            if (slot.records.heard()) slot.records.mute();
        return any;
    }

    void doze(Nanoseconds duration) noexcept override {
        settle_in();
        timespec t{static_cast<time_t>(duration / kSecond), static_cast<long>(duration % kSecond)};
        clock_nanosleep(CLOCK_MONOTONIC, 0, &t, nullptr);
    }

    void notify() noexcept override {
        // Who finds it told already, or awake, has no more to do.
        if (word_.load() == kTold || word_.exchange(kTold) != kAsleep) return;
        if (event_ >= 0) {
            const std::uint64_t one = 1;
            (void)!write(event_, &one, sizeof one);
        } else {
            syscall(SYS_futex, &word_.raw(), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, 0);
        }
    }

private:
    static constexpr std::uint32_t kAwake = 0, kTold = 1, kAsleep = 2;

    struct Slot {
        int tid = 0;
        int file = -1;
        std::uint64_t used = 0;
        SwitchRecords records;
    };

    // A thread's open files; those of the one that was not asked for the longest time make room.
    Slot& slot_of(int tid) noexcept {
        Slot* oldest = &slots_[0];
        for (auto& slot : slots_) {
            if (slot.tid == tid) {
                slot.used = ++uses_;
                return slot;
            }
            if (slot.used < oldest->used) oldest = &slot;
        }
        drop(*oldest);
        oldest->tid = tid;
        oldest->used = ++uses_;
        return *oldest;
    }
    static void drop(Slot& slot) noexcept {
        if (slot.file >= 0) close(slot.file);
        slot.file = -1;
        slot.tid = 0;
        slot.records.close_all();
    }

    // The first call of the monitor's own thread.
    void settle_in() noexcept {
        if (std::exchange(settled_in_, true)) return;
        prctl(PR_SET_TIMERSLACK, 1UL);
        // The first such event of a whole system changes its scheduler's code, which takes 10 ms, and so does the first
        // after a second without any. So there is always this one, of a thread whose switches nobody waits for.
        if (event_ >= 0) anchor_ = SwitchRecords::open_event(0);
    }

    void futex_for(Nanoseconds duration) noexcept {
        timespec t, *limit = nullptr;
        if (duration != kForever) {
            const Nanoseconds until = monotonic() + duration;
            t = {static_cast<time_t>(until / kSecond), static_cast<long>(until % kSecond)};
            limit = &t;
        }
        while (word_.load() == kAsleep) {
            const long error = syscall(SYS_futex, &word_.raw(), FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, kAsleep, limit,
                                       nullptr, FUTEX_BITSET_MATCH_ANY);
            if (error != 0 && errno == ETIMEDOUT) return;
        }
    }

    void poll_for(Nanoseconds duration) noexcept {
        const Nanoseconds until = duration == kForever ? kForever : monotonic() + duration;
        do {
            std::array<pollfd, kSlots + 1> fds;
            nfds_t n = 0;
            fds[n++] = {event_, POLLIN, 0};
            for (auto& slot : slots_)
                if (slot.records.on()) fds[n++] = {slot.records.fd(), POLLIN, 0};
            timespec t, *limit = nullptr;
            if (until != kForever) {
                const Nanoseconds left = std::max<Nanoseconds>(until - monotonic(), 0);
                t = {static_cast<time_t>(left / kSecond), static_cast<long>(left % kSecond)};
                limit = &t;
            }
            if (ppoll(fds.data(), n, limit, nullptr) <= 0) return;
            std::uint64_t told;
            if ((fds[0].revents & POLLIN) != 0 && read(event_, &told, sizeof told) > 0) return;
            for (nfds_t i = 1; i < n; ++i) {
                if ((fds[i].revents & (POLLHUP | POLLERR)) == 0) continue;
                for (auto& slot : slots_)
                    if (slot.records.fd() == fds[i].fd) drop(slot);  // the thread has ended
            }
            // It also wakes for a switch of the time before the last look.
        } while (!switched());
    }

    bool switched() const noexcept {
        return std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.records.heard(); });
    }

    // More than pools have runnable workers on most machines; with more, files are opened again.
    static constexpr std::size_t kSlots = 64;
    const Detection means_;
    int event_ = -1, anchor_ = -1;
    bool settled_in_ = false;
    Atomic<std::uint32_t> word_{kAwake};
    std::array<Slot, kSlots> slots_;
    std::uint64_t uses_ = 0;
};

int own_tid() noexcept { return static_cast<int>(syscall(SYS_gettid)); }

// Why a means does not work here, or null.
const char* refused(Detection means) noexcept {
    if (means == Detection::budget || means == Detection::hooks || means == Detection::automatic) return nullptr;
    const int fd = open_syscall_file(own_tid());
    const bool readable = fd >= 0 && read_sight(fd).state != Sight::State::unknown;
    if (fd >= 0) close(fd);
    if (!readable) return "the system does not show /proc/self/task/*/syscall";
    if (means == Detection::sampling) return nullptr;
    SwitchRecords records;
    return records.open(own_tid()) ? nullptr
                                   : "the system refuses perf_event_open (see /proc/sys/kernel/perf_event_paranoid, or "
                                     "the container's seccomp profile)";
}

}  // namespace

std::unique_ptr<Watcher> make_host_watcher(Detection wanted) {
    if (wanted == Detection::hooks) return nullptr;
    if (const char* why = refused(wanted))
        throw Unsupported(std::string("detection='") + detection_name(wanted) + "' does not work here: " + why +
                          "; detection='auto' takes the best that does");
    for (Detection means : {Detection::switch_records, Detection::sampling, Detection::budget})
        if (wanted == Detection::automatic && refused(means) == nullptr) {
            wanted = means;
            break;
        }
    return std::make_unique<HostWatcher>(wanted);
}

std::uintptr_t futex_waited_for(int tid) noexcept {
    const int fd = open_syscall_file(tid);
    if (fd < 0) return 0;
    const Sight sight = read_sight(fd);
    close(fd);
    return sight.word;
}

}  // namespace bottomhalf
