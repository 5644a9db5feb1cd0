// The program `crayon` as users and scripts see it: JSON keys, exit statuses, one-line errors,
// nothing half written, nothing sent.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "crayon/base/files.h"
#include "crayon/cli/internal/program_world_test.h"
#include "crayon/formats/task_file.h"

namespace crayon {
namespace {

using Json = nlohmann::json;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kCustomize = "customize --model model.gguf --pool pool --examples examples.jsonl";

class Program : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = new ProgramWorld; }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }
  static ProgramRun run(const std::string& args, const std::string& input = {},
                        const std::string& settings = {}) {
    return world_->run(args, input, settings);
  }
  static Json json(const std::string& args, const std::string& input = {},
                   const std::string& settings = {}) {
    const ProgramRun done = run(args + " --json", input, settings);
    EXPECT_EQ(done.status, 0) << args << "\n" << done.notes;
    return Json::parse(done.out);
  }
  static ProgramWorld* world_;
};
ProgramWorld* Program::world_ = nullptr;

TEST_F(Program, CustomizePrintsTheKeysThatScriptsRelyOn) {
  const Json got = json(kCustomize + " --name keys");
  for (const char* key : {"task", "file", "pool", "n_examples", "weights", "mode", "rank",
                          "relative_error", "seconds", "leave_one_out", "kept"}) {
    EXPECT_TRUE(got.contains(key)) << key;
  }
  for (const char* key : {"load", "embed", "gate", "blend", "write", "total"}) {
    EXPECT_TRUE(got["seconds"].contains(key)) << key;
  }
  for (const char* key : {"base", "blended", "n"}) {
    EXPECT_TRUE(got["leave_one_out"].contains(key)) << key;
  }
  EXPECT_EQ(got["task"], "keys");
  EXPECT_EQ(got["n_examples"], 8);
  EXPECT_EQ(got["weights"].size(), 3u);
  EXPECT_EQ(got["leave_one_out"]["n"], 8);
  EXPECT_TRUE(read_task(got["file"].get<std::string>()).info);
}

TEST_F(Program, CustomizeTellsPeopleWeightsTimesAndWhatToDoNext) {
  const ProgramRun done = run(kCustomize + " -o people.gguf");
  EXPECT_EQ(done.status, 0) << done.notes;
  for (const char* text : {"a0 ", "a2 ", "█", "seconds  load", "kept ", "crayon eval --task"}) {
    EXPECT_THAT(done.out, HasSubstr(text));
  }
  EXPECT_THAT(done.out + done.notes, Not(HasSubstr("secret")));
}

TEST_F(Program, CustomizeTakesModesWeightsRefineAndStandardInput) {
  const Json low = json(kCustomize + " -o low.gguf --mode lowrank --rank 1 --no-compare");
  EXPECT_EQ(low["mode"], "lowrank");
  EXPECT_EQ(low["rank"], 1);
  EXPECT_GT(low["relative_error"], 0.01);
  const Json fixed = json(kCustomize + " -o fixed.gguf --weights 0.5,-0.25,0 --no-compare");
  EXPECT_EQ(fixed["weights"], Json({0.5, -0.25, 0.0}));
  EXPECT_EQ(fixed["relative_error"], 0.0);
  EXPECT_TRUE(json(kCustomize + " -o refined.gguf --refine")["leave_one_out"].contains("n"));
  const std::string line = R"({"question":"a","choices":["x","y"]})"
                           "\n";
  EXPECT_EQ(json("customize --model model.gguf --pool pool --examples - -o in.gguf",
                 line + line)["n_examples"],
            2);
}

TEST_F(Program, AskAnswersOneQuestionAStreamAndAFile) {
  ASSERT_EQ(run(kCustomize + " -o ask.gguf").status, 0);
  const std::string ask = "ask --model model.gguf --task ask.gguf ";
  const Json one = json(ask + "--choice yes --choice no 'is it'");
  for (const char* key : {"answer", "choice", "side", "reason", "confidence", "scope", "seconds"}) {
    EXPECT_TRUE(one.contains(key)) << key;
  }
  EXPECT_TRUE(one["tokens"].contains("prompt"));
  EXPECT_TRUE(one["tokens"].contains("completion"));
  EXPECT_EQ(one["side"], "device");
  const ProgramRun stream = run(ask + "-", read_text(world_->path("examples.jsonl")));
  EXPECT_EQ(std::ranges::count(stream.out, '\n'), 8) << stream.notes;
  EXPECT_EQ(run(ask + "-q --questions examples.jsonl").out.substr(0, 12), stream.out.substr(0, 12));
  const Json free = json("ask --model model.gguf --task base --max-tokens 3 hello");
  EXPECT_LE(free["tokens"]["completion"], 3);
}

TEST_F(Program, AskStreamStopsAtABadLineAndNamesItAfterAnsweringTheOthers) {
  const std::string good = R"({"question":"a","choices":["x","y"]})"
                           "\n";
  const ProgramRun done =
      run("ask --model model.gguf --task base -", good + "{\"secret\"\n" + good);
  EXPECT_EQ(done.status, 2);
  EXPECT_EQ(std::ranges::count(done.out, '\n'), 1);
  EXPECT_THAT(done.notes, HasSubstr("standard input:2"));
}

TEST_F(Program, AskSaysThatTheServerIsDownAndStillAnswers) {
  const ProgramRun done =
      run("ask --model model.gguf --task base --server-url http://127.0.0.1:9 --side server "
          "--choice yes --choice no 'is it'");
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.out, ::testing::AnyOf("yes\n", "no\n"));
  EXPECT_THAT(done.notes, HasSubstr("server unavailable"));
}

TEST_F(Program, EvalPrintsKeysAndDetails) {
  ASSERT_EQ(run(kCustomize + " -o eval.gguf").status, 0);
  const Json got = json(
      "eval --model model.gguf --task eval.gguf --data examples.jsonl "
      "--details details.jsonl");
  EXPECT_EQ(got["n"], 8);
  for (const char* side : {"base", "blended"}) {
    EXPECT_TRUE(got[side].contains("accuracy"));
    EXPECT_TRUE(got[side].contains("standard_error"));
  }
  EXPECT_GT(got["questions_per_second"], 0);
  const std::string details = read_text(world_->path("details.jsonl"));
  EXPECT_EQ(std::ranges::count(details, '\n'), 8);
  const Json first = Json::parse(details.substr(0, details.find('\n')));
  EXPECT_EQ(first["id"], "e0");
  EXPECT_EQ(first["answer"], 0);
  for (const char* key : {"choice", "scores", "confidence", "scope"}) {
    EXPECT_TRUE(first["blended"].contains(key)) << key;
  }
  EXPECT_THAT(details, Not(HasSubstr("secret")));
}

TEST_F(Program, BlendWritesAFileOfTheAskedNumberType) {
  const Json got = json("blend --pool pool --weights 1,0.5,0 --dtype f32 -o b.gguf");
  for (const char* key : {"file", "mode", "rank", "relative_error", "bytes", "seconds"}) {
    EXPECT_TRUE(got.contains(key)) << key;
  }
  EXPECT_EQ(got["rank"], 4);
  EXPECT_EQ(got["bytes"], std::filesystem::file_size(world_->path("b.gguf")));
}

TEST_F(Program, TasksArePutAwayShownStrippedAndDeleted) {
  ASSERT_EQ(run(kCustomize + " --name kept").status, 0);
  EXPECT_THAT(run("task list").out, HasSubstr("kept  8 examples"));
  EXPECT_EQ(json("task show kept")["weights"].size(), 3u);
  ASSERT_EQ(run("task strip kept -o bare.gguf").status, 0);
  EXPECT_FALSE(read_task(world_->path("bare.gguf")).info);
  EXPECT_EQ(run("task add bare.gguf --name bare2").status, 0);
  EXPECT_EQ(run("task delete kept").status, 0);
  EXPECT_EQ(run("task show kept").status, 3);
}

TEST_F(Program, PoolsAreListedShownAndVerified) {
  EXPECT_THAT(run("pool list .").out, HasSubstr("tiny-"));
  EXPECT_EQ(json("pool show pool")["n_adapters"], 3);
  EXPECT_EQ(run("pool verify pool --model model.gguf").status, 0);
  std::filesystem::copy(world_->path("pool"), world_->path("broken"),
                        std::filesystem::copy_options::recursive);
  world_->write("broken/adapters/a1.gguf", "nothing");
  const ProgramRun broken = run("pool verify broken");
  EXPECT_EQ(broken.status, 5);
  EXPECT_THAT(broken.out, HasSubstr("FAILED"));
}

TEST_F(Program, ServeSaysItsAddressAndEndsOnCtrlC) {
  const std::string serve = "serve --model model.gguf --port 0";
  const ProgramRun done = world_->run(serve, {}, "timeout --preserve-status -s INT 3");
  EXPECT_EQ(done.status, 130) << done.notes;
  EXPECT_THAT(done.out, StartsWith("http://127.0.0.1:"));
}

TEST_F(Program, DefaultsComeFromFlagsThenEnvironmentThenTheFile) {
  const std::string limited = kCustomize + " -o limit.gguf";
  world_->write("crayon.toml", "limit = 3\n[customize]\nlimit = 2\n[eval]\nlimit = 7\n");
  EXPECT_EQ(json(limited)["n_examples"], 2);
  EXPECT_EQ(json(limited, {}, "CRAYON_LIMIT=4")["n_examples"], 4);
  EXPECT_EQ(json(limited + " --limit 5", {}, "CRAYON_LIMIT=4")["n_examples"], 5);
  world_->write("crayon.toml", "limt = 3\n");
  ProgramRun bad = run("task list");
  EXPECT_EQ(bad.status, 2);
  EXPECT_THAT(bad.notes, HasSubstr("crayon.toml:1: unknown key 'limt'; did you mean limit"));
  world_->write("crayon.toml", "limit = 3\nname = [\n");
  bad = run("task list");
  EXPECT_EQ(bad.status, 2);
  EXPECT_THAT(bad.notes, HasSubstr("crayon.toml:"));
  EXPECT_EQ(std::ranges::count(bad.notes, '\n'), 1);
  std::filesystem::remove(world_->path("crayon.toml"));
}

/// A socket that would notice any connection.
class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_, any, size) != 0 || ::listen(socket_, 8) != 0) std::abort();
    ::getsockname(socket_, any, &size);
    port_ = ntohs(address.sin_port);
    ::fcntl(socket_, F_SETFL, O_NONBLOCK);
  }
  ~Listener() { ::close(socket_); }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] bool was_called() const {
    const int got = ::accept(socket_, nullptr, nullptr);
    if (got >= 0) ::close(got);
    return got >= 0;
  }

 private:
  int socket_;
  int port_ = 0;
};

TEST_F(Program, CustomizeSendsNothingWhereverAServerOrProxyIsNamed) {
  const Listener listener;
  const std::string url = listener.url();
  world_->write("crayon.toml", "server-url = '" + url + "'\n");
  const ProgramRun done =
      run(kCustomize + " -o private.gguf", {},
          "CRAYON_SERVER_URL=" + url + " http_proxy=" + url + " https_proxy=" + url);
  EXPECT_EQ(done.status, 0) << done.notes;
  EXPECT_FALSE(listener.was_called());
  (void)run(
      "ask --model model.gguf --task base --side server --choice a --choice b q "
      "--server-timeout 1 --server-model m");
  EXPECT_TRUE(listener.was_called());  // the listener does notice: the check above can fail
  std::filesystem::remove(world_->path("crayon.toml"));
}

struct BadCall {
  std::string args;
  int status;
  std::string says;
};

const std::string kCustomizeNew =
    "customize --model model.gguf --pool pool -o new.gguf --examples ";
const BadCall kBadCalls[] = {
    {"", 2, "subcommand"},
    {"custmize", 2, "did you mean customize"},
    {"customize --pol pool", 2, "did you mean --pool"},
    {"customize --pool pool", 2, "--examples is required"},
    {"blend --pool pool -o new.gguf", 2, "--weights is required"},
    {"blend --pool pool --weights 1,x,0 -o new.gguf", 2, "--weights"},
    {"blend --pool pool --weights 1,2 -o new.gguf", 2, "2"},
    {"blend --pool pool --weights 1,nan,0 -o new.gguf", 2, "finite"},
    {"blend --pool pool --weights 1,0,0 --rank 0 -o new.gguf", 2, "--rank"},
    {"blend --pool pool --weights 1,0,0 --mode exat -o new.gguf", 2, "--mode"},
    {"blend --pool pool --weights 1,0,0 --dtype q4 -o new.gguf", 2, "--dtype"},
    {"blend --pool pool --weights 1,0,0 -o folder", 2, "is a folder"},
    {"blend --pool pool --weights 1,0,0 -o none/new.gguf", 2, "folder none is not there"},
    {"blend --pool folder --weights 1,0,0 -o new.gguf", 3, "pool.json"},
    {"blend --pool nowhere --weights 1,0,0 -o new.gguf", 3, "nowhere"},
    {kCustomizeNew + "none.jsonl", 3, "none.jsonl"},
    {kCustomizeNew + "empty.jsonl", 2, "empty.jsonl"},
    {kCustomizeNew + "folder", 2, "folder"},
    {kCustomizeNew + "bad.jsonl", 2, "bad.jsonl:1"},
    {kCustomizeNew + "examples.jsonl --weights 1,0", 2, "3 base adapters"},
    {kCustomizeNew + "examples.jsonl --weights 1,0,0 --refine", 2, "--refine"},
    {kCustomizeNew + "examples.jsonl --name ../x", 2, "task name"},
    {kCustomizeNew + "examples.jsonl --threads -1", 2, "--threads"},
    {kCustomizeNew + "examples.jsonl --limit x", 2, "--limit"},
    {"customize --model notes.txt --pool pool -o new.gguf --examples examples.jsonl", 5,
     "notes.txt"},
    {"customize --model none.gguf --pool pool -o new.gguf --examples examples.jsonl", 3,
     "none.gguf"},
    {"customize --pool pool -o new.gguf --examples examples.jsonl", 3, "--model"},
    {"ask --model model.gguf --task nope hi", 3, "no task 'nope'"},
    {"ask --model model.gguf --task notes.txt hi", 5, "notes.txt"},
    {"ask --model model.gguf --task model.gguf hi", 5, "model.gguf"},
    {"ask --model model.gguf --task base", 2, "no question"},
    {"ask --model model.gguf --task base --choice one hi", 2, "at least 2"},
    {"ask --model model.gguf --task base --side server hi", 2, "--server-url"},
    {"ask --model model.gguf --task base --server-share 0.5 hi", 2, "--server-url"},
    {"ask --model model.gguf --task base --server-url ftp://x --side server hi", 6, "ftp"},
    {"ask --model model.gguf --task base --server-share 2 --server-url http://x hi", 2,
     "--server-share"},
    {"ask --model model.gguf --task base --server-url http://x --server-key-file none hi", 3,
     "none"},
    {"eval --model model.gguf --task base --data none.jsonl", 3, "none.jsonl"},
    {"eval --model model.gguf --task base --data examples.jsonl --details none/d", 2, "not there"},
    {"task show nope", 3, "no task 'nope'"},
    {"task delete nope", 3, "no task 'nope'"},
    {"task strip old.gguf -o new.gguf", 5, "old.gguf"},
    {"task add notes.txt", 5, "notes.txt"},
    {"pool show folder", 3, "pool.json"},
    {"models path nope", 3, "nope"},
    {"models path smollm2", 3, "smollm2-135m-instruct"},
    {"serve --model model.gguf --host 0.0.0.0 --port 0", 2, "key"},
    {"serve --model model.gguf --port 99999", 2, "--port"},
    {"--settings none.toml task list", 2, "none.toml"},
};

TEST_F(Program, BadCallsGiveOneClearLineTheRightStatusAndNoFile) {
  world_->write("empty.jsonl", "");
  world_->write("bad.jsonl", "{\"question\": \"secret\", \"choices\": [\"a\"]}\n");
  world_->write("notes.txt", "this is no GGUF");
  world_->write("old.gguf", "as it was");
  std::filesystem::create_directories(world_->path("folder"));
  const auto before = world_->files();
  for (const BadCall& call : kBadCalls) {
    const ProgramRun done = run(call.args);
    EXPECT_EQ(done.status, call.status) << call.args << "\n" << done.notes;
    EXPECT_THAT(done.notes, HasSubstr(call.says)) << call.args;
    EXPECT_THAT(done.notes, HasSubstr("crayon: ")) << call.args;
    EXPECT_EQ(std::ranges::count(done.notes, '\n'), 1) << call.args << "\n" << done.notes;
    EXPECT_THAT(done.notes, Not(HasSubstr("secret"))) << call.args;
    EXPECT_EQ(done.out, "") << call.args;
  }
  EXPECT_EQ(world_->files(), before);
}

TEST_F(Program, AFailedCallLeavesTheOldFileAsItWas) {
  world_->write("stays.gguf", "as it was");
  world_->write("half.jsonl", R"({"question":"a","choices":["x","y"]})"
                              "\nnot JSON\n");
  const ProgramRun done =
      run("customize --model model.gguf --pool pool --examples half.jsonl -o stays.gguf");
  EXPECT_EQ(done.status, 2);
  EXPECT_THAT(done.notes, HasSubstr("half.jsonl:2"));
  EXPECT_EQ(read_text(world_->path("stays.gguf")), "as it was");
}

TEST_F(Program, AnotherBaseModelIsRefusedAndBothAreNamed) {
  write_random_model(world_->path("other.gguf"), {.d_model = 32, .seed = 2});
  const ProgramRun done =
      run("customize --model other.gguf --pool pool --examples examples.jsonl -o new.gguf");
  EXPECT_EQ(done.status, 4);
  EXPECT_EQ(std::ranges::count(done.notes, '\n'), 1) << done.notes;
  EXPECT_FALSE(std::filesystem::exists(world_->path("new.gguf")));
}

TEST_F(Program, AnotherQuantisationOfTheBaseWarnsAndIsUsed) {
  write_random_model(world_->path("again.gguf"), {.seed = 2});  // same shapes, other bytes
  const ProgramRun done = run(
      "customize -q --model again.gguf --pool pool --examples examples.jsonl -o again-task.gguf");
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.notes, HasSubstr("another quantisation"));
  EXPECT_TRUE(read_task(world_->path("again-task.gguf")).info->calibration.approximate);
}

TEST_F(Program, HelpAndVersionGoToStandardOutput) {
  EXPECT_THAT(run("--version").out, StartsWith("crayon 0."));
  const ProgramRun help = run("--help");
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("customize"));
  EXPECT_THAT(help.out, HasSubstr("Examples:"));
  EXPECT_EQ(help.notes, "");
}

}  // namespace
}  // namespace crayon
