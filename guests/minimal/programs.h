/* SPDX-License-Identifier: MIT */
/* The programs of the multi-call binary, each with the signature of main(). */
#ifndef SPLAT_PROGRAMS_H
#define SPLAT_PROGRAMS_H

int init_main(int argc, char **argv);
int agent_main(int argc, char **argv);
int munmap_main(int argc, char **argv);
int mrelease_main(int argc, char **argv);
int oom_memcg_main(int argc, char **argv);
int virtio_gpu_main(int argc, char **argv);
int hmm_main(int argc, char **argv);
int controls_main(int argc, char **argv);
int oom_global_main(int argc, char **argv);
int reclaim_main(int argc, char **argv);
int kvm_main(int argc, char **argv);
int dma_buf_main(int argc, char **argv);

#endif
