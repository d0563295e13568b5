import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

/** File systems of a test's own, which needs root and Linux. */

const run = (command: string, ...parameters: string[]): void => {
  execFileSync(command, parameters, { stdio: "pipe" });
};

/** Whether this machine lets us; under CI it has to. */
export const canMount = (): boolean => {
  try {
    const disk = smallDisk("1m");
    disk.remove();
    return true;
  } catch (error) {
    if (process.env.CI !== undefined) throw error;
    return false;
  }
};

/** A file system in memory of this size, which may be changed while it is in use. */
export const smallDisk = (size: string) => {
  const path = mkdtempSync(join(tmpdir(), "meizhen-disk-"));
  run("mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path);
  return {
    path,
    resize: (to: string) => run("mount", "-o", `remount,size=${to}`, path),
    remove() {
      run("umount", "--lazy", path);
      rmSync(path, { recursive: true });
    },
  };
};

/**
 * An ext4 file system in a file. What was not synced stays in memory (it commits once an hour): a copy of the file is
 * the disk as a power cut would leave it.
 */
export const losableDisk = () => {
  const root = mkdtempSync(join(tmpdir(), "meizhen-power-"));
  const image = join(root, "disk.img");
  run("truncate", "-s", "48M", image);
  run("mkfs.ext4", "-q", "-F", image);
  const mounted: string[] = [];
  const mount = (file: string): string => {
    const path = `${file}.mounted`;
    mkdirSync(path);
    run("mount", "-o", "loop,commit=3600", file, path);
    mounted.push(path);
    return path;
  };
  let cuts = 0;
  return {
    path: mount(image),
    /** The folder as it is after the power comes back. */
    cut(): string {
      const copy = join(root, `cut-${++cuts}.img`);
      copyFileSync(image, copy);
      return mount(copy);
    },
    remove() {
      for (const path of mounted) run("umount", "--lazy", path);
      rmSync(root, { recursive: true });
    },
  };
};

/** An ext4 file system in a file, that turns read-only under the programs using it, as after an error of its disk. */
export const failingDisk = () => {
  const root = mkdtempSync(join(tmpdir(), "meizhen-failing-"));
  const image = join(root, "disk.img");
  const path = join(root, "mounted");
  run("truncate", "-s", "96M", image);
  run("mkfs.ext4", "-q", "-F", image);
  mkdirSync(path);
  const mount = () => run("mount", "-o", "loop,errors=remount-ro", image, path);
  mount();
  return {
    path,
    /** `remount,ro` is refused while files are open for writing; the kernel's own way is not. */
    fail() {
      const device = basename(execFileSync("findmnt", ["-no", "SOURCE", path]).toString().trim());
      writeFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, "1");
    },
    /** As after a restart of the machine: checked and mounted anew. Nobody may use it meanwhile. */
    repair() {
      run("umount", path);
      try {
        run("e2fsck", "-p", image);
      } catch (error) {
        // 1: errors were corrected
        if ((error as { status?: number }).status !== 1) throw error;
      }
      mount();
    },
    remove() {
      run("umount", "--lazy", path);
      rmSync(root, { recursive: true });
    },
  };
};
