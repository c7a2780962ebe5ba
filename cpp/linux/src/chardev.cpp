// <linux/cdev.h>, <linux/device.h>, <linux/miscdevice.h>: device numbers and the names under /dev.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "file_registry.hpp"
#include "sysfs.hpp"

namespace bottomhalf::linux_api {

namespace {

constexpr unsigned kMinors = 256;

Files& files() { return Files::of(here()); }
std::string dev_path(std::string name) {
    std::replace(name.begin(), name.end(), '!', '/');
    return "/dev/" + name;
}

struct Class {  // struct class
    const char* name;
    void* devnode;
};
struct Device {  // struct device
    Device* parent;
    void* driver_data;
    std::uint32_t devt;
    char name[64];
    Kobject kobject;
};
struct DeviceAttribute {  // struct device_attribute
    Attribute attribute;
    std::ptrdiff_t (*show)(Device*, const DeviceAttribute*, char*);
    std::ptrdiff_t (*store)(Device*, const DeviceAttribute*, const char*, std::size_t);
};
// With its directory below /sys.
struct KeptDevice {
    Device device{};
    std::string path;

    KeptDevice(const std::string& device_class, const std::string& name) {
        device.name[name.copy(device.name, sizeof device.name - 1)] = '\0';
        path = "/sys/class/" + device_class + "/" + device.name;
        device.kobject = {device.name, nullptr, &type, path.data(), 1};
    }

    static Device* of(Kobject* kobject) { return container_of(kobject, &Device::kobject); }
    static std::ptrdiff_t show(Kobject* kobject, const Attribute* attribute, char* buffer) {
        const auto& a = *reinterpret_cast<const DeviceAttribute*>(attribute);  // its first field
        return a.show != nullptr ? a.show(of(kobject), &a, buffer) : -EIO;
    }
    static std::ptrdiff_t store(Kobject* kobject, const Attribute* attribute, const char* data, std::size_t size) {
        const auto& a = *reinterpret_cast<const DeviceAttribute*>(attribute);
        return a.store != nullptr ? a.store(of(kobject), &a, data, size) : -EIO;
    }
    static constexpr SysfsOps ops{show, store};
    static constexpr KobjectType type{nullptr, &ops, nullptr};
};
struct Misc {  // struct miscdevice
    int minor;
    const char* name;
    const FileOps* fops;
    ListNode list;
    Device* parent;
    Device* this_device;
    const char* nodename;
    unsigned short mode;
};

template <class T>
T* error_pointer(int error) {
    return reinterpret_cast<T*>(static_cast<std::intptr_t>(error));
}

}  // namespace

extern "C" {

int bh_linux_alloc_chrdev_region(std::uint32_t* dev, unsigned first, unsigned count, const char* name) {
    const std::uint32_t major = files().free_major();
    if (major == 0) return -EBUSY;
    *dev = major << kMinorBits | first;
    return files().claim(*dev, count, name);
}
int bh_linux_register_chrdev_region(std::uint32_t first, unsigned count, const char* name) {
    return files().claim(first, count, name);
}
void bh_linux_unregister_chrdev_region(std::uint32_t first, unsigned count) { files().release(first, count); }

void bh_linux_cdev_init(Cdev* cdev, const FileOps* ops) {
    *cdev = Cdev{};
    cdev->ops = ops;
    cdev->kobject.references = 1;
}
Cdev* bh_linux_cdev_alloc() {
    auto* cdev = static_cast<Cdev*>(std::calloc(1, sizeof(Cdev)));
    if (cdev != nullptr) cdev->allocated = true;
    return cdev;
}
int bh_linux_cdev_add(Cdev* cdev, std::uint32_t dev, unsigned count) {
    cdev->dev = dev;
    cdev->count = count;
    files().add_cdev(cdev);
    return 0;
}
void bh_linux_cdev_del(Cdev* cdev) {
    files().remove_cdev(cdev);
    if (cdev->allocated) std::free(cdev);
}

int bh_linux_register_chrdev(unsigned major, const char* name, const FileOps* ops) {
    const bool any = major == 0;
    if (any) major = files().free_major();
    if (major == 0) return -EBUSY;
    const int error = files().claim(major << kMinorBits, kMinors, name);
    if (error != 0) return error;
    Cdev* cdev = bh_linux_cdev_alloc();
    if (cdev == nullptr) return -ENOMEM;
    cdev->ops = ops;
    bh_linux_cdev_add(cdev, major << kMinorBits, kMinors);
    return any ? static_cast<int>(major) : 0;
}
void bh_linux_unregister_chrdev(unsigned major, const char*) {
    if (Cdev* cdev = files().cdev_of(major << kMinorBits)) bh_linux_cdev_del(cdev);
    files().release(major << kMinorBits, kMinors);
}

Class* bh_linux_class_create(const char* name) { return new Class{name, nullptr}; }
void bh_linux_class_destroy(const Class* cls) {
    if (reinterpret_cast<std::intptr_t>(cls) > 0) delete cls;
}
Device* bh_linux_device_create(const Class* cls, Device* parent, std::uint32_t devt, void* data, const char* fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const std::string name = format(fmt, args);
    va_end(args);
    const auto kept = std::make_shared<KeptDevice>(cls->name, name);
    Device* const device = &kept->device;
    device->parent = parent;
    device->driver_data = data;
    device->devt = devt;
    Node node;
    node.path = dev_path(name);
    node.dev = devt;
    node.key = cls;
    node.keep = kept;
    if (files().add(std::move(node)) == nullptr) return error_pointer<Device>(-EEXIST);
    return device;
}
void bh_linux_device_destroy(const Class* cls, std::uint32_t devt) {
    for (const auto& node : files().all())
        if (node->key == cls && node->dev == devt) {
            files().remove(std::static_pointer_cast<KeptDevice>(node->keep)->path);
            files().remove(node->path);
            return;
        }
}

int bh_linux_misc_register(Misc* misc) {
    unsigned minor = static_cast<unsigned>(misc->minor);
    if (misc->minor == 255)
        for (minor = 256; files().cdev_of(kMiscMajor << kMinorBits | minor) != nullptr;) ++minor;
    const std::uint32_t dev = kMiscMajor << kMinorBits | minor;
    if (files().cdev_of(dev) != nullptr) return -EBUSY;
    const auto kept = std::make_shared<KeptDevice>("misc", misc->name);
    kept->device.devt = dev;
    Node node;
    node.path = dev_path(misc->nodename != nullptr ? misc->nodename : misc->name);
    node.mode = misc->mode;
    node.dev = dev;
    node.key = misc;
    node.keep = kept;
    if (files().add(std::move(node)) == nullptr) return -EEXIST;
    misc->minor = static_cast<int>(minor);
    misc->this_device = &kept->device;
    Cdev* cdev = bh_linux_cdev_alloc();
    cdev->ops = misc->fops;
    return bh_linux_cdev_add(cdev, dev, 1);
}
void bh_linux_misc_deregister(Misc* misc) {
    const std::string path = files().path_of(misc);
    if (const auto node = files().find(path)) {
        files().remove(std::static_pointer_cast<KeptDevice>(node->keep)->path);
        files().remove(path);
    }
    if (Cdev* cdev = files().cdev_of(kMiscMajor << kMinorBits | static_cast<unsigned>(misc->minor)))
        bh_linux_cdev_del(cdev);
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
