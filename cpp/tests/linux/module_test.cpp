// A module of our own: what it says about itself, its parameters, its files. It is linked into this program.
#include "bottomhalf/linux/module.hpp"

#include <dlfcn.h>

#include "bottomhalf/linux/files.hpp"
#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {

namespace {

using namespace linux_api;

class Module : public MachineTest {
protected:
    void SetUp() override {
        MachineTest::SetUp();
        self();
        module_ = read_module(RTLD_DEFAULT);
    }
    std::string read_all(const std::string& path) {
        auto file = open_file(domain(), path, 0);
        std::string all;
        char part[8];
        while (const std::size_t n = file->read(part, sizeof part)) all.append(part, n);
        return all;
    }
    ModuleInfo module_;
};
BH_INSTANTIATE_MACHINES(Module);

TEST_P(Module, SaysWhatItIs) {
    EXPECT_EQ(module_.license, "GPL");
    EXPECT_EQ(module_.description, "files for a test");
    EXPECT_EQ(module_.version, "1.0");
    EXPECT_EQ(module_.authors, (std::vector<std::string>{"bottomhalf", "somebody else"}));
    ASSERT_EQ(module_.params.size(), 5u);
    EXPECT_EQ(module_.params[0].name, "shelves");
    EXPECT_EQ(module_.params[0].type, "int");
    EXPECT_EQ(module_.params[0].perm, 0644u);
    EXPECT_EQ(module_.params[0].description, "how many");
    EXPECT_NE(module_.init, nullptr);
    EXPECT_NE(module_.exit, nullptr);
}

TEST_P(Module, ParametersAreSetAsInsmodDoes) {
    set_param(module_, "shelves", "0x10");
    EXPECT_EQ(param_text(module_, "shelves"), "16");
    EXPECT_NE(message_of<InvalidArgument>([&] { set_param(module_, "shelves", "many"); }).find("'shelves' (int)"),
              std::string::npos);
    EXPECT_THROW(set_param(module_, "shelves", "99999999999"), InvalidArgument);
    EXPECT_EQ(param_text(module_, "shelves"), "16");
    set_param(module_, "shelves", "1");
    set_param(module_, "loud", "y");
    EXPECT_EQ(param_text(module_, "loud"), "Y");
    set_param(module_, "sizes", "7,-8");
    EXPECT_EQ(param_text(module_, "sizes"), "7,-8");
    EXPECT_THROW(set_param(module_, "sizes", "1,2,3,4"), InvalidArgument);
    EXPECT_THROW(set_param(module_, "sizes", "5,x"), InvalidArgument);
    EXPECT_EQ(param_text(module_, "sizes"), "7,-8");
    set_param(module_, "title", "1234567");
    EXPECT_THROW(set_param(module_, "title", "12345678"), InvalidArgument);
    EXPECT_EQ(param_text(module_, "title"), "1234567");
    EXPECT_NE(message_of<InvalidArgument>([&] { set_param(module_, "colour", "1"); }).find("it has shelves, label"),
              std::string::npos);
}

TEST_P(Module, FilesAreThereBetweenInitAndExit) {
    set_param(module_, "label", "oak");
    ASSERT_EQ(module_.init(), 0);
    std::vector<std::string> paths;
    for (const FileEntry& e : list_files(domain())) paths.push_back(e.path);
    EXPECT_EQ(paths, (std::vector<std::string>{"/dev/letters", "/dev/tool", "/proc/numbers", "/proc/shelf",
                                               "/proc/shelf/books", "/sys/kernel/debug/knobs",
                                               "/sys/kernel/debug/knobs/volume"}));
    EXPECT_EQ(read_all("/dev/tool"), "hammer\n");
    EXPECT_EQ(read_all("/proc/shelf/books"), "1 shelves of oak\n");
    EXPECT_EQ(read_all("/proc/numbers"), "0\n1\n2\n3\n4\n");
    EXPECT_EQ(read_all("/sys/kernel/debug/knobs/volume"), "11\n");
    {
        auto knob = open_file(domain(), "/sys/kernel/debug/knobs/volume", 2);
        EXPECT_EQ(knob->write("12", 2), 2u);
        EXPECT_EQ(read_all("/sys/kernel/debug/knobs/volume"), "12\n");
        knob->write("11", 2);
    }
    EXPECT_TRUE(logged("letters: is there"));
    module_.exit();
    EXPECT_TRUE(list_files(domain()).empty());
    EXPECT_THROW(open_file(domain(), "/dev/tool", 0), FileError);
}

TEST_P(Module, ADeviceIsReadWrittenPolledAndControlled) {
    ASSERT_EQ(module_.init(), 0);
    {
        auto file = open_file(domain(), "/dev/letters", 2);
        EXPECT_EQ(module_users(module_), 1);
        char c = 0;
        EXPECT_EQ(file->poll(1, at_once()), 0u);
        EXPECT_EQ(file->write("q", 1), 1u);
        EXPECT_EQ(file->poll(1), 1u);  // a delayed item delivers it
        EXPECT_EQ(file->read(&c, 1), 1u);
        EXPECT_EQ(c, 'q');
        file->write("x", 1);
        EXPECT_EQ(file->read(&c, 1), 1u);  // sleeps in wait_event_interruptible
        EXPECT_EQ(c, 'x');
        EXPECT_EQ(file->ioctl('L' << 8 | 1, 5), 5);
        try {
            file->ioctl(77, 0);
            FAIL() << "an unknown command";
        } catch (const FileError& e) {
            EXPECT_EQ(e.number(), ENOTTY);
        }
        auto impatient = open_file(domain(), "/dev/letters", 04000);
        try {
            impatient->read(&c, 1);
            FAIL() << "nothing there";
        } catch (const FileError& e) {
            EXPECT_EQ(e.number(), EAGAIN);
        }
        EXPECT_THROW(impatient->write("x", 1), FileError);
        file->close();
        EXPECT_TRUE(file->closed());
        EXPECT_THROW(file->read(&c, 1), FileError);
    }
    EXPECT_EQ(module_users(module_), 0);
    auto tool = open_file(domain(), "/dev/tool", 0);
    EXPECT_EQ(tool->seek(3, 0), 3);
    char rest[8] = {};
    EXPECT_EQ(tool->read(rest, sizeof rest), 4u);
    EXPECT_STREQ(rest, "mer\n");
    tool->close();
    module_.exit();
}

TEST_P(Module, WhatIsNoModuleIsRefused) {
    void* libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    ASSERT_NE(libc, nullptr);
    EXPECT_THROW(read_module(libc), InvalidArgument);
    dlclose(libc);
}

}  // namespace

}  // namespace bottomhalf::testing
