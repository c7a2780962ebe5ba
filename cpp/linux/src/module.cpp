#include "bottomhalf/linux/module.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "bottomhalf/base/error.hpp"
#include "module_record.hpp"

namespace bottomhalf::linux_api {

namespace {

void add_text(ModuleInfo& info, const std::string& tag, const char* text) {
    if (tag == "license")
        info.license = text;
    else if (tag == "description")
        info.description = text;
    else if (tag == "version")
        info.version = text;
    else if (tag == "author")
        info.authors.emplace_back(text);
    else
        info.others.emplace_back(tag, text);
}

ModuleParam param_of(const bh_module_record& record) {
    ModuleParam p;
    p.name = record.name;
    p.type = record.text;
    p.perm = record.perm;
    p.address = record.address;
    p.size = record.size;
    p.max = record.max;
    p.count = record.count;
    p.record = &record;
    return p;
}

// The text is no value of this type.
struct BadValue {
    std::string allowed;
    int error = EINVAL;
};

template <class T>
void store(void* address, long long value, bool is_negative, unsigned long long magnitude) {
    const bool fits = std::numeric_limits<T>::is_signed
                          ? value >= static_cast<long long>(std::numeric_limits<T>::min()) &&
                                value <= static_cast<long long>(std::numeric_limits<T>::max())
                          : !is_negative && magnitude <= static_cast<unsigned long long>(std::numeric_limits<T>::max());
    if (!fits)
        throw BadValue{"an integer between " + std::to_string(std::numeric_limits<T>::min()) + " and " +
                           std::to_string(std::numeric_limits<T>::max()),
                       !std::numeric_limits<T>::is_signed && is_negative ? EINVAL : ERANGE};
    const T v = std::numeric_limits<T>::is_signed ? static_cast<T>(value) : static_cast<T>(magnitude);
    std::memcpy(address, &v, sizeof v);
}

template <class T>
void store_number(void* address, const std::string& text) {
    const char* digits = text.c_str();
    if (*digits == '+') ++digits;
    const bool is_negative = *digits == '-';
    const char* first = is_negative ? digits + 1 : digits;
    char* end = nullptr;
    errno = 0;
    const unsigned long long magnitude = std::strtoull(first, &end, 0);
    if (std::isdigit(static_cast<unsigned char>(*first)) == 0 || *end != '\0')
        throw BadValue{"an integer: decimal, 0x... or 0..."};
    constexpr auto kMost = static_cast<unsigned long long>(std::numeric_limits<long long>::max());
    if (errno == ERANGE || (std::numeric_limits<T>::is_signed && magnitude > kMost + (is_negative ? 1 : 0)))
        throw BadValue{"an integer that fits", ERANGE};
    const auto value = static_cast<long long>(is_negative ? 0 - magnitude : magnitude);
    store<T>(address, value, is_negative, magnitude);
}

bool truth(const std::string& text) {
    if (text.empty() || text[0] == 'y' || text[0] == 'Y' || text[0] == '1' || text[0] == 't' || text[0] == 'T')
        return true;
    if (text[0] == 'n' || text[0] == 'N' || text[0] == '0' || text[0] == 'f' || text[0] == 'F') return false;
    if (text.size() > 1 && (text[0] == 'o' || text[0] == 'O')) {
        if (text[1] == 'n' || text[1] == 'N') return true;
        if (text[1] == 'f' || text[1] == 'F') return false;
    }
    throw BadValue{"1, 0, y, n, on or off"};
}

struct Type {
    const char* name;
    void (*set)(void* address, const std::string& text);
    std::string (*get)(const void* address);
};
template <class T>
std::string number_text(const void* address) {
    T v{};
    std::memcpy(&v, address, sizeof v);
    return std::to_string(v);
}
std::string hex_text(const void* address) {
    char digits[16];
    std::snprintf(digits, sizeof digits, "%#08x", *static_cast<const unsigned*>(address));
    return digits;
}
const Type types[] = {
    {"byte", store_number<unsigned char>, number_text<unsigned char>},
    {"short", store_number<short>, number_text<short>},
    {"ushort", store_number<unsigned short>, number_text<unsigned short>},
    {"int", store_number<int>, number_text<int>},
    {"uint", store_number<unsigned>, number_text<unsigned>},
    {"hexint", store_number<unsigned>, hex_text},
    {"long", store_number<long>, number_text<long>},
    {"ulong", store_number<unsigned long>, number_text<unsigned long>},
    {"ullong", store_number<unsigned long long>, number_text<unsigned long long>},
    {"bool", [](void* a, const std::string& s) { *static_cast<bool*>(a) = truth(s); },
     [](const void* a) -> std::string { return *static_cast<const bool*>(a) ? "Y" : "N"; }},
    {"invbool", [](void* a, const std::string& s) { *static_cast<bool*>(a) = !truth(s); },
     [](const void* a) -> std::string { return *static_cast<const bool*>(a) ? "N" : "Y"; }},
};
const Type* type_of(const std::string& name) {
    for (const Type& t : types)
        if (name == t.name) return &t;
    return nullptr;
}

void set_one(ModuleInfo& module, const ModuleParam& p, void* address, const std::string& text) {
    if (p.type == "charp") {
        module.strings->push_back(text);
        *static_cast<const char**>(address) = module.strings->back().c_str();
        return;
    }
    const Type* type = type_of(p.type);
    if (type == nullptr) throw BadValue{"nothing: its type '" + p.type + "' is not known here"};
    type->set(address, text);
}

void set_array(ModuleInfo& module, const ModuleParam& p, const std::string& value) {
    std::vector<std::string> parts;
    for (std::size_t begin = 0;;) {
        const std::size_t comma = value.find(',', begin);
        parts.push_back(value.substr(begin, comma - begin));
        if (comma == std::string::npos) break;
        begin = comma + 1;
    }
    if (parts.size() > p.max) throw BadValue{"at most " + std::to_string(p.max) + " values, separated by commas"};
    const std::string before(static_cast<const char*>(p.address), p.max * p.size);
    try {
        for (std::size_t i = 0; i < parts.size(); ++i)
            set_one(module, p, static_cast<char*>(p.address) + i * p.size, parts[i]);
    } catch (...) {
        std::memcpy(p.address, before.data(), before.size());
        throw;
    }
    if (p.count != nullptr) *p.count = static_cast<std::uint32_t>(parts.size());
}

void set(ModuleInfo& module, const ModuleParam& p, const std::string& value) {
    if (p.type == "custom") {
        const kernel_param* custom = p.record->custom;
        if (custom->ops->set == nullptr) throw BadValue{"nothing: it can only be read"};
        module.strings->push_back(value);
        const int error = custom->ops->set(module.strings->back().c_str(), custom);
        if (error != 0) throw BadValue{"what its set function takes; it returned " + std::to_string(error), -error};
    } else if (p.type == "string") {
        if (value.size() + 1 > p.size) throw BadValue{"at most " + std::to_string(p.size - 1) + " characters", ENOSPC};
        std::memcpy(p.address, value.c_str(), value.size() + 1);
    } else if (p.max != 0) {
        set_array(module, p, value);
    } else {
        set_one(module, p, p.address, value);
    }
}

std::string text_of(const ModuleParam& p, const void* address) {
    if (p.type == "charp") {
        const char* text = *static_cast<const char* const*>(address);
        return text != nullptr ? text : "(null)";
    }
    const Type* type = type_of(p.type);
    return type != nullptr ? type->get(address) : std::string();
}

ModuleParam& existing(ModuleInfo& module, const std::string& name) {
    if (ModuleParam* p = module.param(name)) return *p;
    std::string known;
    for (const ModuleParam& p : module.params) known += (known.empty() ? "" : ", ") + p.name;
    throw InvalidArgument("module '" + module.name + "' has no parameter '" + name +
                          (known.empty() ? "': it has none at all" : "': it has " + known));
}

}  // namespace

ModuleParam* ModuleInfo::param(const std::string& wanted) {
    // Linux takes a dash for an underscore.
    const auto plain = [](std::string s) {
        std::replace(s.begin(), s.end(), '-', '_');
        return s;
    };
    for (ModuleParam& p : params)
        if (plain(p.name) == plain(wanted)) return &p;
    return nullptr;
}

ModuleInfo read_module(void* handle) {
    const auto ask = reinterpret_cast<void (*)(bh_module_table*)>(dlsym(handle, "bh_linux_module_table"));
    if (ask == nullptr)
        throw InvalidArgument("this shared object is no kernel module: it does not include <linux/module.h>");
    bh_module_table table{};
    ask(&table);
    ModuleInfo info;
    info.self = table.self;
    info.name = table.self->name;
    info.init = reinterpret_cast<int (*)()>(dlsym(handle, "bh_linux_module_init"));
    info.exit = reinterpret_cast<void (*)()>(dlsym(handle, "bh_linux_module_exit"));
    std::vector<std::pair<std::string, std::string>> descriptions;
    std::vector<const bh_module_record*> records;
    for (auto at = table.begin; at != table.end; ++at)
        if (*at != nullptr) records.push_back(*at);
    std::stable_sort(records.begin(), records.end(), [](auto* a, auto* b) { return a->order < b->order; });
    for (const bh_module_record* record : records) {
        if (record->kind == kRecordText) {
            add_text(info, record->name, record->text);
            if (std::strcmp(record->name, "version") == 0) table.self->version = record->text;
        }
        if (record->kind == kRecordParam) info.params.push_back(param_of(*record));
        if (record->kind == kRecordExport)
            info.exports.push_back({record->name, *record->text != '\0', record->address});
        if (record->kind == kRecordParamText) descriptions.emplace_back(record->name, record->text);
    }
    for (auto& [name, text] : descriptions)
        if (ModuleParam* p = info.param(name)) p->description = text;
    return info;
}

void set_param(ModuleInfo& module, const std::string& name, const std::string& value) {
    const ModuleParam& p = existing(module, name);
    try {
        set(module, p, value);
    } catch (const BadValue& bad) {
        throw BadParameter(bad.error, "module '" + module.name + "': '" + value + "' is no value for its parameter '" +
                                          p.name + "' (" + p.type + "), which takes " + bad.allowed);
    }
}

std::string param_text(ModuleInfo& module, const std::string& name) {
    const ModuleParam& p = existing(module, name);
    if (p.type == "custom") {
        std::string text(4096, '\0');
        if (p.record->custom->ops->get == nullptr) return {};
        const int n = p.record->custom->ops->get(text.data(), p.record->custom);
        text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        while (!text.empty() && text.back() == '\n') text.pop_back();
        return text;
    }
    if (p.type == "string") return static_cast<const char*>(p.address);
    if (p.max == 0) return text_of(p, p.address);
    std::string all;
    const std::size_t n = p.count != nullptr ? *p.count : p.max;
    for (std::size_t i = 0; i < n && i < p.max; ++i)
        all += (i > 0 ? "," : "") + text_of(p, static_cast<const char*>(p.address) + i * p.size);
    return all;
}

bool is_gpl(const ModuleInfo& module) {
    static const char* const compatible[] = {"GPL",          "GPL v2",       "GPL and additional rights",
                                             "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"};
    return std::any_of(std::begin(compatible), std::end(compatible),
                       [&](const char* license) { return module.license == license; });
}

int module_users(const ModuleInfo& module) {
    return std::max(0, __atomic_load_n(&module.self->users, __ATOMIC_SEQ_CST));
}

int retire_module(const ModuleInfo& module) {
    int users = 0;
    if (__atomic_compare_exchange_n(&module.self->users, &users, kRetired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return 0;
    return users;
}

bool get_module(struct ::module* module) noexcept {
    if (module == nullptr) return true;
    int users = __atomic_load_n(&module->users, __ATOMIC_SEQ_CST);
    do {
        if (users < 0) return false;
    } while (
        !__atomic_compare_exchange_n(&module->users, &users, users + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return true;
}

void put_module(struct ::module* module) noexcept {
    if (module != nullptr) __atomic_fetch_sub(&module->users, 1, __ATOMIC_SEQ_CST);
}

}  // namespace bottomhalf::linux_api
