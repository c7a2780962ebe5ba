// What <linux/kobject.h> and <linux/sysfs.h> share: directories below /sys, and files of one value each.
#pragma once

#include "file_registry.hpp"

namespace bottomhalf::linux_api {

struct Attribute {  // struct attribute
    const char* name;
    unsigned short mode;
};
struct AttributeGroup {  // struct attribute_group
    const char* name;
    unsigned short (*is_visible)(Kobject*, const Attribute*, int);
    const Attribute** attributes;
};
struct SysfsOps {  // struct sysfs_ops
    std::ptrdiff_t (*show)(Kobject*, const Attribute*, char*);
    std::ptrdiff_t (*store)(Kobject*, const Attribute*, const char*, std::size_t);
};
struct KobjectType {  // struct kobj_type
    void (*release)(Kobject*);
    const SysfsOps* ops;
    const AttributeGroup** default_groups;
};

}  // namespace bottomhalf::linux_api
