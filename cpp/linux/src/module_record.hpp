// The records that <linux/module.h> leaves in a module, as C++ reads them. layout.cpp holds those of
// <linux/moduleparam.h> against the C ones.
#pragma once

#include <cstdint>

extern "C" {

struct kernel_param;
struct kernel_param_ops {
    unsigned flags;
    int (*set)(const char* value, const kernel_param* param);
    int (*get)(char* buffer, const kernel_param* param);
    void (*free)(void* arg);
};
struct kernel_param {
    const char* name;
    const kernel_param_ops* ops;
    std::uint16_t perm;
    void* arg;
};

struct bh_module_record {
    std::uint32_t kind, perm;
    const char* name;
    const char* text;
    void* address;
    std::uint64_t size;
    std::uint32_t max, order;
    std::uint32_t* count;
    const kernel_param* custom;
};

struct module {
    char name[56];
    int state;
    int users;  // below 0: on its way out, nobody gets it any more
    const char* version;
};

struct bh_module_table {
    const bh_module_record *const *begin, *const *end;
    module* self;
};

}  // extern "C"

namespace bottomhalf::linux_api {
inline constexpr std::uint32_t kRecordText = 1, kRecordParam = 2, kRecordParamText = 3, kRecordExport = 4;
inline constexpr int kRetired = INT32_MIN;
}  // namespace bottomhalf::linux_api
