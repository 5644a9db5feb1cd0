#include "crayon/session/tasks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <climits>
#include <cstdlib>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/session/customize.h"
#include "crayon/session/device.h"
#include "crayon/session/internal/test_world.h"
#include "crayon/testing/fake_engine.h"
#include "crayon/testing/random.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

class Tasks : public ::testing::Test {
 protected:
  void SetUp() override { setenv("CRAYON_HOME", home_.path().c_str(), 1); }
  void TearDown() override { unsetenv("CRAYON_HOME"); }

  static std::vector<std::byte> lora() {
    return task_to_gguf(
        {.adapter = random_adapter({.tensors = {"blk.7.attn_q.weight", "blk.9.attn_q.weight"}}),
         .info = {}});
  }
  TemporaryFolder home_;
};

TEST_F(Tasks, AreStoredListedOpenedAndDeletedByName) {
  EXPECT_TRUE(list_tasks().empty());
  store_task("two", lora());
  store_task("one", lora());
  EXPECT_THAT(list_tasks(), ElementsAre("one", "two"));
  EXPECT_EQ(open_task("two").file, task_path("two"));
  delete_task("two");
  EXPECT_THAT(list_tasks(), ElementsAre("one"));
}

TEST_F(Tasks, FilesWithNamesThatATaskCannotHaveAreNotListed) {
  store_task("one", lora());
  for (const char* name : {"my task.gguf", "base.gguf", ".gguf", "notes.txt"}) {
    write_atomically(tasks_folder() / name, std::string_view("x"));
  }
  EXPECT_THAT(list_tasks(), ElementsAre("one"));
}

TEST_F(Tasks, ALoraOfAnotherToolHasNoInfoAndKnowsItsLowestLayer) {
  const OpenTask task = open_task(store_task("other", lora()).string());
  EXPECT_FALSE(task.info);
  EXPECT_EQ(task.name, "other");
  EXPECT_EQ(task.first_layer, 7);
}

TEST_F(Tasks, AStoredTaskIsCalledAsItIsStoredAnyOtherAsItCallsItself) {
  const auto model = make_fake_model({.d_model = kWidth});
  const auto engine = model->open_engine({});
  Pool pool = make_test_pool(home_.path() / "pool", *model, 2);
  const auto bytes = customize(pool, *model, *engine, make_test_examples(4), {.name = "old"}).file;
  store_task("new", bytes);
  EXPECT_EQ(open_task("new").name, "new");
  const auto file = home_.path() / "file.gguf";
  write_atomically(file, bytes);
  EXPECT_EQ(open_task(file.string()).name, "old");
}

TEST_F(Tasks, OneWithoutWhiteningAnswersWithoutScope) {
  const auto model = make_fake_model({.d_model = kWidth});
  const auto engine = model->open_engine({});
  const std::string file = write_test_task(home_.path(), *model, [](TaskInfo& info) {
    info.whitening = {};
    info.scope_examples = {};
    info.head = {};
  });
  const TaskOnDevice task(*model, open_task(file));
  const DeviceChoice choice = task.choose(*engine, make_question("is it red"));
  EXPECT_EQ(choice.scores.size(), 3u);
  EXPECT_FALSE(choice.signals.scope);
}

TEST_F(Tasks, BaseIsNoFile) {
  const OpenTask task = open_task("base");
  EXPECT_TRUE(task.file.empty());
  EXPECT_EQ(task.first_layer, INT_MAX);
}

TEST_F(Tasks, AnUnknownNameGetsTheNearestOnes) {
  store_task("banking", lora());
  EXPECT_THAT([] { (void)find_task("bankin"); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::NotFound),
                                  Property(&Error::what, HasSubstr("did you mean banking?")))));
  EXPECT_THAT([] { delete_task("zzz"); },
              Throws<Error>(Property(&Error::code, ErrorCode::NotFound)));
}

TEST_F(Tasks, ANameThatNoFileCanHaveIsOneClearError) {
  const std::string longest(5000, 'a');
  EXPECT_THAT([&] { (void)find_task(longest); },
              Throws<Error>(Property(&Error::code, ErrorCode::InvalidArgument)));
}

TEST_F(Tasks, NamesCannotLeaveTheFolder) {
  const std::string long_name(65, 'a');
  for (const std::string& name : {std::string(), std::string("a/b"), std::string(".."),
                                  std::string(".hidden"), std::string("-x"), std::string("base"),
                                  std::string("a b"), std::string("a\0b", 3), long_name}) {
    EXPECT_THAT([&] { (void)task_path(name); },
                Throws<Error>(Property(&Error::code, ErrorCode::InvalidArgument)))
        << name;
  }
  EXPECT_NO_THROW(check_task_name("My_task-2.1"));
}

}  // namespace
}  // namespace crayon
