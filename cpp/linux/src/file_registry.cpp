#include "file_registry.hpp"

#include <cerrno>

#include "bottomhalf/linux/loader.hpp"

namespace bottomhalf::linux_api {

namespace {
bool overlap(std::uint32_t a, unsigned n, std::uint32_t b, unsigned m) { return a < b + m && b < a + n; }
}  // namespace

Node* Files::add(Node node) {
    auto fresh = std::make_shared<Node>(std::move(node));
    if (fresh->text) fresh->data = fresh.get();
    RawGuard guard(lock_);
    const auto [at, is_new] = nodes_.emplace(fresh->path, fresh);
    return is_new ? at->second.get() : nullptr;
}

std::vector<std::shared_ptr<Node>> Files::take_out(const std::string& path) {
    std::vector<std::shared_ptr<Node>> gone;
    RawGuard guard(lock_);
    for (auto at = nodes_.lower_bound(path); at != nodes_.end() && at->first.starts_with(path);) {
        if (at->first.size() != path.size() && at->first[path.size()] != '/') {
            ++at;
            continue;
        }
        at->second->use->retire();
        gone.push_back(at->second);
        at = nodes_.erase(at);
    }
    return gone;
}

bool Files::remove(const std::string& path) {
    const auto gone = take_out(path);
    for (const auto& node : gone) {
        if (node->use->calls() != 0) node->use->wait(me());
        for (const auto& opening : node->use->take_openings())
            if (opening->ops.release != nullptr) opening->ops.release(&opening->inode, &opening->file);
    }
    return !gone.empty();
}

void Files::discard(const std::string& path) {
    for (const auto& node : take_out(path)) node->use->take_openings();
}

std::string Files::path_of(const void* entry) {
    RawGuard guard(lock_);
    for (const auto& [path, node] : nodes_)
        if (node.get() == entry || (entry != nullptr && node->key == entry)) return path;
    return {};
}

std::shared_ptr<Node> Files::find(const std::string& path) {
    RawGuard guard(lock_);
    const auto found = nodes_.find(path);
    return found != nodes_.end() ? found->second : nullptr;
}

std::vector<std::shared_ptr<Node>> Files::all() {
    std::vector<std::shared_ptr<Node>> nodes;
    RawGuard guard(lock_);
    for (const auto& [path, node] : nodes_) nodes.push_back(node);
    return nodes;
}

int Files::claim(std::uint32_t first, unsigned count, const std::string& name) {
    RawGuard guard(lock_);
    for (const Region& r : regions_)
        if (overlap(first, count, r.first, r.count)) return -EBUSY;
    regions_.push_back({first, count, name});
    return 0;
}

std::uint32_t Files::free_major() {
    RawGuard guard(lock_);
    for (std::uint32_t major = 240; major < 4096; ++major) {
        bool taken = false;
        for (const Region& r : regions_) taken = taken || r.first >> kMinorBits == major;
        if (!taken) return major;
    }
    return 0;
}

void Files::release(std::uint32_t first, unsigned count) {
    RawGuard guard(lock_);
    std::erase_if(regions_, [&](const Region& r) { return r.first == first && r.count == count; });
}

void Files::add_cdev(Cdev* cdev) {
    RawGuard guard(lock_);
    cdevs_.push_back(cdev);
}

void Files::remove_cdev(Cdev* cdev) {
    RawGuard guard(lock_);
    std::erase(cdevs_, cdev);
}

std::vector<OfferedFile> Files::of_module(const std::function<bool(const void*)>& holds) {
    std::vector<OfferedFile> found;
    RawGuard guard(lock_);
    for (const auto& [path, node] : nodes_) {
        const Cdev* cdev = node->dev >= 0 ? cdev_of_locked(static_cast<std::uint32_t>(node->dev)) : nullptr;
        if (!holds(node->code) && !holds(node->key) && (cdev == nullptr || !holds(cdev->ops))) continue;
        const char* missing = node->dev < 0      ? path.starts_with("/proc")               ? "proc_remove()"
                                                   : path.starts_with("/sys/kernel/debug") ? "debugfs_remove()"
                                                   : node->directory                       ? "kobject_put()"
                                                                                           : "sysfs_remove_file()"
                              : holds(node->key) ? "misc_deregister()"
                                                 : "device_destroy()";
        const char* what = node->directory ? "directory '" : "file '";
        found.push_back({what + path + "' still there", missing, false, [this, path = path] { discard(path); }});
    }
    for (Cdev* cdev : cdevs_) {
        if (!holds(cdev) && !holds(cdev->ops)) continue;
        const std::uint32_t major = cdev->dev >> kMinorBits, minor = cdev->dev & ((1u << kMinorBits) - 1);
        found.push_back({"character device " + std::to_string(major) + ":" + std::to_string(minor) + " still there",
                         major == kMiscMajor ? "misc_deregister()" : "cdev_del()", false,
                         [this, cdev] { remove_cdev(cdev); }});
    }
    for (const auto& known : openings_) {
        const auto opening = known.lock();
        if (opening == nullptr || !holds(opening->code)) continue;
        const auto entry = nodes_.find(opening->path);
        if (entry != nodes_.end() && entry->second->use == opening->use) continue;  // found above
        if (opening->use->calls() != 0) {
            found.push_back({"call of '" + opening->path + "' still runs", nullptr, true, {}});
        } else if (opening->use->open(*opening)) {
            const char* why = opening->owner.load() != nullptr ? "" : ", and its file_operations have no .owner";
            found.push_back({"file '" + opening->path + "' still open" + why, nullptr, false, [opening] {
                                 opening->use->retire();
                                 opening->use->take_openings();
                                 opening->let_go();
                             }});
        }
    }
    return found;
}

bool Files::open_device(std::uint32_t dev, Opening& opening) {
    RawGuard guard(lock_);
    const Cdev* cdev = cdev_of_locked(dev);
    if (cdev == nullptr || cdev->ops == nullptr) return false;
    struct ::module* const owner = cdev->ops->owner != nullptr ? cdev->ops->owner : cdev->owner;
    if (!get_module(owner)) return false;
    opening.owner.store(owner);
    opening.ops = *cdev->ops;
    opening.code = cdev->ops;
    opening.inode.cdev = const_cast<Cdev*>(cdev);
    // While the lock is held nobody has taken the device away, and its module is there.
    if (const auto module = modules::module_at(cdev->ops)) opening.image = module->image();
    return true;
}

void Files::opened(const std::shared_ptr<Opening>& opening) {
    RawGuard guard(lock_);
    std::erase_if(openings_, [](auto& known) { return known.expired(); });
    openings_.push_back(opening);
}

Cdev* Files::cdev_of(std::uint32_t dev) {
    RawGuard guard(lock_);
    return cdev_of_locked(dev);
}

Cdev* Files::cdev_of_locked(std::uint32_t dev) const {
    for (Cdev* cdev : cdevs_)
        if (dev - cdev->dev < cdev->count) return cdev;
    return nullptr;
}

std::int64_t Files::region_named(const std::string& name) {
    const std::size_t stem = name.find_last_not_of("0123456789") + 1, digits = name.size() - stem;
    const bool numbered = digits != 0 && digits <= 7;  // more than there are minor numbers
    const std::uint32_t nth = numbered ? static_cast<std::uint32_t>(std::stoul(name.substr(stem))) : 0;
    RawGuard guard(lock_);
    for (const Region& r : regions_)
        if (r.name == name) return r.first;
    for (const Region& r : regions_)
        if (numbered && nth < r.count && name.compare(0, stem, r.name) == 0) return r.first + nth;
    return -1;
}

}  // namespace bottomhalf::linux_api
