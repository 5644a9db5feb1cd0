// A pool that takes the place of another one, and a kill at each step of that.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <set>

#include "crayon/pool/pool.h"
#include "tests/corrupt/support.h"

namespace {

/// Of this process: so many files are still moved or removed, then it is killed; below 0: never.
int steps_left = -1;

void count_step() {
  if (steps_left == 0) raise(SIGKILL);
  if (steps_left > 0) --steps_left;
}

}  // namespace

// In place of the C library's, which the library under test calls to move and remove files.
extern "C" int rename(const char* from, const char* to) noexcept {
  count_step();
  return renameat(AT_FDCWD, from, AT_FDCWD, to);
}
extern "C" int remove(const char* path) noexcept {
  count_step();
  if (unlinkat(AT_FDCWD, path, 0) == 0) return 0;
  if (errno != EISDIR) return -1;
  return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

namespace crayon {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::small_adapter;
using test::small_base;
using test::small_gate;
using ::testing::IsSupersetOf;

class ReplacedPool : public ::testing::Test {
 protected:
  ReplacedPool() { write(1); }

  /// Gate and both adapters differ from seed to seed.
  void write(std::uint64_t seed) const {
    PoolManifest manifest;
    manifest.name = "tiny";
    manifest.base = small_base();
    manifest.first_layer = 1;
    Gate gate = small_gate();
    gate.temperature = 0.05f * static_cast<float>(seed);
    const std::vector<Adapter> adapters = {small_adapter(seed, 2), small_adapter(seed + 10, 3)};
    write_pool(folder(), manifest, gate, adapters, true);
  }
  /// In another process, which is killed after so many steps. @return whether it came to its end
  [[nodiscard]] bool write_killed_after(int steps, std::uint64_t seed) const {
    const pid_t child = fork();
    if (child == 0) {
      steps_left = steps;
      write(seed);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  [[nodiscard]] std::string id() const { return Pool::open(folder()).manifest().id; }
  [[nodiscard]] fs::path folder() const { return scratch_.path() / "tiny"; }
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder())) {
      if (!entry.is_directory()) files.push_back(fs::relative(entry.path(), folder()).string());
    }
    std::ranges::sort(files);
    return files;
  }

  test::ScratchFolder scratch_;
  const std::vector<std::string> plain_ = {"adapters/a0.gguf", "adapters/a1.gguf",
                                           "gate.safetensors", "pool.json"};
};

TEST_F(ReplacedPool, HasThePlainNamesAgain) {
  const std::string old = id();
  write(2);
  EXPECT_NE(id(), old);
  EXPECT_EQ(files(), plain_);
  EXPECT_EQ(Pool::open(folder()).manifest().adapters[0].file, "adapters/a0.gguf");
}

TEST_F(ReplacedPool, IsTheOldOneOrTheNewOneWhereverItsWriterIsKilled) {
  const std::string old = id();
  fs::copy(folder(), scratch_.path() / "old", fs::copy_options::recursive);
  write(2);
  const std::string now = id();
  std::set<std::string> seen;
  bool ended = false;
  for (int steps = 0; !ended; ++steps) {
    ASSERT_LT(steps, 100);
    fs::remove_all(folder());
    fs::copy(scratch_.path() / "old", folder(), fs::copy_options::recursive);
    ended = write_killed_after(steps, 2);
    for (const PoolCheck& check : verify_pool(folder())) {
      EXPECT_TRUE(check.ok) << "after " << steps << ": " << check.what << ": " << check.detail;
    }
    seen.insert(id());
    write(2);  // as a trainer that is started again
    EXPECT_EQ(id(), now);
    EXPECT_THAT(files(), IsSupersetOf(plain_)) << "after " << steps;
    EXPECT_LE(files().size(), 2 * plain_.size()) << "after " << steps;
  }
  EXPECT_EQ(seen, (std::set<std::string>{old, now}));
}

TEST_F(ReplacedPool, WhoseManifestCannotBeReadKeepsItsFilesUntilTheNewOneIsThere) {
  const std::string manifest = read_text(folder() / "pool.json");
  write_atomically(folder() / "pool.json", "{");
  for (int steps = 0; steps < 8; ++steps) {  // four files are made, three of them put in place
    ASSERT_FALSE(write_killed_after(steps, 2));
    if (read_text(folder() / "pool.json") != "{") break;
    write_atomically(folder() / "pool.json", manifest);  // mended by hand
    for (const PoolCheck& check : verify_pool(folder())) EXPECT_TRUE(check.ok) << check.what;
    write_atomically(folder() / "pool.json", "{");
  }
}

TEST_F(ReplacedPool, LeavesFilesOfOthersThatHaveTheNameItWouldStepAsideTo) {
  write_atomically(folder() / "adapters/a0-2.gguf", "mine");
  write(2);
  EXPECT_EQ(read_text(folder() / "adapters/a0-2.gguf"), "mine");
  EXPECT_THAT(files(), IsSupersetOf(plain_));
  EXPECT_EQ(files().size(), plain_.size() + 1);
}

}  // namespace
}  // namespace crayon
