#include "crayon/base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <functional>

#include "crayon/base/error.h"
#include "crayon/base/sha256.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "crayon-files-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(Files, AWrittenFileReadsBackAndReplacesTheOldOne) {
  write_atomically(folder_ / "a", "one");
  write_atomically(folder_ / "a", "two");
  EXPECT_EQ(read_text(folder_ / "a"), "two");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1) << "a temporary file stayed";
}

/// Unsupported when nothing was thrown.
ErrorCode code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::Unsupported;
}

TEST_F(Files, SaysWhatIsWrongWithAPath) {
  EXPECT_EQ(code_of([&] { (void)read_file(folder_ / "none"); }), ErrorCode::NotFound);
  EXPECT_EQ(code_of([&] { (void)read_file(folder_); }), ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of([&] { write_atomically(folder_ / "no" / "a", "x"); }),
            ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of([&] { write_atomically(folder_, "x"); }), ErrorCode::InvalidArgument);
  write_atomically(folder_ / "big", "12345");
  EXPECT_EQ(code_of([&] { (void)read_file(folder_ / "big", 4); }), ErrorCode::InvalidArgument);
}

TEST_F(Files, APipeIsRefusedAtOnce) {
  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(code_of([&] { (void)read_file(pipe); }), ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of([&] { (void)sha256_file(pipe); }), ErrorCode::InvalidArgument);
}

TEST_F(Files, WhatIsNoFileIsNotReplaced) {
  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  fs::create_symlink("/dev/null", folder_ / "device");
  for (const fs::path& path : {pipe, folder_ / "device"}) {
    EXPECT_EQ(code_of([&] { write_atomically(path, "x"); }), ErrorCode::InvalidArgument);
    EXPECT_EQ(file_kind(path), FileKind::Other);
  }
}

TEST_F(Files, AReplacedFileKeepsItsRights) {
  write_atomically(folder_ / "a", "old");
  fs::permissions(folder_ / "a", fs::perms::owner_read | fs::perms::owner_write);
  write_atomically(folder_ / "a", "new");
  EXPECT_EQ(fs::status(folder_ / "a").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(Files, ALinkIsReplacedAndWhatItLedToStays) {
  write_atomically(folder_ / "kept", "old");
  fs::create_symlink("kept", folder_ / "link");
  write_atomically(folder_ / "link", "new");
  EXPECT_EQ(read_text(folder_ / "kept"), "old");
  EXPECT_EQ(read_text(folder_ / "link"), "new");
  EXPECT_FALSE(fs::is_symlink(folder_ / "link"));
}

TEST_F(Files, APathThatCannotBeIsOneClearError) {
  fs::create_symlink("loop", folder_ / "loop");
  for (const fs::path& path : {folder_ / "loop", fs::path(std::string(5000, 'a'))}) {
    EXPECT_EQ(code_of([&] { (void)file_kind(path); }), ErrorCode::InvalidArgument);
    EXPECT_EQ(code_of([&] { (void)read_file(path); }), ErrorCode::InvalidArgument);
    EXPECT_EQ(code_of([&] { write_atomically(path, "x"); }), ErrorCode::InvalidArgument);
    EXPECT_EQ(code_of([&] { write_atomically(path / "a", "x"); }), ErrorCode::InvalidArgument);
  }
}

TEST_F(Files, AFileSystemThatTakesNoFileIsOneClearError) {
  EXPECT_THROW(write_atomically("/proc/a", "new"), Error);  // no file can be made there
}

}  // namespace
}  // namespace crayon
